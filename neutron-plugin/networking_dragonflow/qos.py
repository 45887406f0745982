"""QoS: Neutron's plugin, and its driver, which tells what chassis carry out and pushes policies."""

from typing import Any

from neutron.db import segments_db
from neutron.services.qos import qos_plugin
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.db import constants as db_constants
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import base
from neutron_lib.services.qos import constants as qos_constants
from oslo_config import cfg

from networking_dragonflow import binding, commits, objects

NAME = "dragonflow"

_ANY = {"type:range": [0, db_constants.DB_INTEGER_MAX_VALUE]}
_DIRECTION = {"type:values": constants.VALID_DIRECTIONS}

RULES = {
    qos_constants.RULE_TYPE_BANDWIDTH_LIMIT: {
        qos_constants.MAX_KBPS: _ANY,
        qos_constants.MAX_BURST: _ANY,
        qos_constants.DIRECTION: _DIRECTION,
    },
    qos_constants.RULE_TYPE_PACKET_RATE_LIMIT: {
        qos_constants.MAX_KPPS: _ANY,
        qos_constants.MAX_BURST_KPPS: _ANY,
        qos_constants.DIRECTION: _DIRECTION,
    },
    qos_constants.RULE_TYPE_MINIMUM_BANDWIDTH: {
        qos_constants.MIN_KBPS: _ANY,
        qos_constants.DIRECTION: {"type:values": [constants.EGRESS_DIRECTION]},
    },
    qos_constants.RULE_TYPE_DSCP_MARKING: {
        qos_constants.DSCP_MARK: {"type:values": constants.VALID_DSCP_MARKS},
    },
}


class DragonflowQosPlugin(qos_plugin.QoSPlugin):
    """Neutron's plugin, which also filters by what the API validated.

    Policies may have rules of guaranteed packet rates, as with any driver: Neutron asks all classes that a plugin
    inherits from for extensions. No port and no network takes such a policy (`QosRuleNotSupported`), and the types of
    rules that are listed are those of `RULES`.
    """

    __native_pagination_support = True
    __native_sorting_support = True
    __filter_validation_support = True


class DragonflowQosDriver(base.DriverBase):
    """Pushes policies. The rule's change raises its policy's revision."""

    def __init__(self) -> None:
        """Wait for Neutron's plugin, which comes after ML2's drivers."""
        super().__init__(
            NAME,
            (portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER),
            (portbindings.VNIC_NORMAL,),
            RULES,
            requires_rpc_notifications=False,
        )

    @property
    def is_loaded(self) -> bool:
        """Tell whether ML2 has the mechanism driver."""
        return NAME in cfg.CONF.ml2.mechanism_drivers

    def validate_rule_for_network(self, context: Any, rule: Any, network_id: str) -> bool:
        """Tell whether ports of a network can have a rule: a bandwidth is guaranteed on physical networks alone."""
        return rule.rule_type != qos_constants.RULE_TYPE_MINIMUM_BANDWIDTH or any(
            segment[api.NETWORK_TYPE] in binding.PHYSICAL
            for segment in segments_db.get_network_segments(context, network_id)
        )

    def validate_rule_for_port(self, context: Any, rule: Any, port: Any) -> bool:
        """Tell whether a port can have a rule."""
        return self.validate_rule_for_network(context, rule, port.network_id)

    def create_policy(self, context: Any, policy: Any) -> None:
        """Push a policy."""
        commits.touch(context, objects.QOS_POLICY, policy.id)

    def update_policy(self, context: Any, policy: Any) -> None:
        """Push a policy that was changed, or of which a rule was."""
        commits.touch(context, objects.QOS_POLICY, policy.id)

    def delete_policy(self, context: Any, policy: Any) -> None:
        """Push the deletion."""
        commits.delete(context, objects.QOS_POLICY, policy.id)

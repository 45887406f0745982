"""The ML2 mechanism driver: networks, subnets and ports, and where ports can be bound."""

from typing import Any

from neutron.db import provisioning_blocks
from neutron_lib import constants, exceptions
from neutron_lib.api.definitions import portbindings, provider_net
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log
from sqlalchemy import orm

from networking_dragonflow import (
    backend,
    binding,
    commits,
    database,
    extensions,
    logs,
    objects,
    qos,
    securitygroups,
    settings,
    trunk,
    worker,
    zones,
)

LOG = log.getLogger(__name__)

NETWORK_TYPES = (constants.TYPE_GENEVE, constants.TYPE_VXLAN, constants.TYPE_FLAT, constants.TYPE_VLAN)


class DragonflowDriver(api.MechanismDriver):
    """Pushes what ML2 commits, and binds ports to chassis that live.

    The methods that ML2 calls behind its transactions never raise for want of a server: what they have to say waits in
    the journal. Those that it calls within refuse what no chassis could do.
    """

    def initialize(self) -> None:
        """Subscribe to what ML2 does not tell drivers. Connects nowhere: the process may be about to fork."""
        settings.register()
        backend.connect()  # tells now if the addresses are none
        if cfg.CONF.enable_traditional_dhcp:
            LOG.warning(
                "dragonflow: chassis answer DHCP; set enable_traditional_dhcp = false, or ports wait for agents"
            )
        securitygroups.subscribe()
        qos.DragonflowQosDriver()  # the plugin of QoS, which comes later, takes it
        logs.DragonflowLogDriver()  # the plugin of logs, which comes later, takes it
        trunk.DragonflowTrunkDriver()  # the plugin of trunks, which comes later, takes it
        zones.serve()
        for event in (events.AFTER_CREATE, events.AFTER_DELETE):
            registry.subscribe(_links_changed, resources.SEGMENT, event)
        commits.subscribe()
        # Neutron reads a port with attributes that its classes have only after the first query of a process, and
        # answers 500 if that is the first.
        orm.configure_mappers()

    @property
    def connectivity(self) -> str:
        """Ports need no addresses."""
        return str(portbindings.CONNECTIVITY_L2)

    def get_workers(self) -> list[Any]:
        """Return the process that listens to servers and audits."""
        return [worker.DragonflowWorker()]

    def supported_extensions(self, extensions_: set[str]) -> set[str]:
        """Return which of ML2's extensions are served."""
        return extensions_ & extensions.OF_NETWORKS

    def check_vlan_transparency(self, context: Any) -> bool:  # noqa: ARG002
        """Tell that tags of guests are not carried."""
        return False

    @staticmethod
    def provider_network_attribute_updates_supported() -> list[str]:
        """Return what may be changed of a network's segment."""
        return [provider_net.SEGMENTATION_ID]

    def create_network_precommit(self, context: Any) -> None:
        """Refuse types of networks that chassis cannot carry."""
        _check_segments(context.network_segments)

    def update_network_precommit(self, context: Any) -> None:
        """Refuse types of networks that chassis cannot carry."""
        _check_segments(context.network_segments)

    def create_network_postcommit(self, context: Any) -> None:
        """Push the network."""
        _store_network(context)

    def update_network_postcommit(self, context: Any) -> None:
        """Push the network."""
        _store_network(context)

    def delete_network_postcommit(self, context: Any) -> None:
        """Push the deletion."""
        _delete(objects.NETWORK, context.current)

    def create_subnet_postcommit(self, context: Any) -> None:
        """Push the subnet."""
        backend.store(objects.SUBNET, context.current)
        _revised(context)

    def update_subnet_postcommit(self, context: Any) -> None:
        """Push the subnet."""
        backend.store(objects.SUBNET, context.current)
        _revised(context)

    def delete_subnet_postcommit(self, context: Any) -> None:
        """Push the deletion."""
        _delete(objects.SUBNET, context.current)
        _revised(context)

    def create_port_precommit(self, context: Any) -> None:
        """Have the port wait until its chassis has wired it."""
        _check_routed(context)
        self._await_wiring(context)

    def update_port_precommit(self, context: Any) -> None:
        """Have the port wait anew if it goes to another chassis, or up."""
        moved = context.host != context.original_host
        enabled = context.current["admin_state_up"] and not context.original["admin_state_up"]
        unbound = context.original.get(portbindings.VIF_TYPE) in binding.NOT_BOUND
        if moved or enabled or (unbound and context.status != constants.PORT_STATUS_ACTIVE):
            self._await_wiring(context)

    def create_port_postcommit(self, context: Any) -> None:
        """Push the port, unless ML2 is about to bind it and to tell of it again."""
        port = context.current
        if context.host and port.get(portbindings.VIF_TYPE) == portbindings.VIF_TYPE_UNBOUND:
            return
        backend.store(objects.PORT, port)

    def update_port_postcommit(self, context: Any) -> None:
        """Push the port."""
        port = context.current
        if port["device_owner"].startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX):
            several = database.bindings(context._plugin_context, [port["id"]])  # noqa: SLF001 (everybody's way to it)
            port = port | {"bindings": several.get(port["id"])}
        backend.store(objects.PORT, port)

    def delete_port_postcommit(self, context: Any) -> None:
        """Push the deletion."""
        _delete(objects.PORT, context.current)

    def bind_port(self, context: Any) -> None:
        """Bind the port if its host is a chassis that lives and has the network."""
        binding.bind(context)

    def check_segment_for_agent(self, segment: dict[str, Any], agent: dict[str, Any]) -> bool:
        """Tell whether a chassis has a segment."""
        return agent["agent_type"] == binding.AGENT_TYPE and binding.reaches(agent, segment)

    def _await_wiring(self, context: Any) -> None:
        if context.host and binding.wired_by_chassis(context.current):
            provisioning_blocks.add_provisioning_component(
                context._plugin_context,  # noqa: SLF001
                context.current["id"],
                resources.PORT,
                provisioning_blocks.L2_AGENT_ENTITY,
            )


def _store_network(context: Any) -> None:
    backend.store(objects.NETWORK, context.current | {"segments": database.links(context.network_segments)})


def _delete(kind: str, current: dict[str, Any]) -> None:
    backend.delete(kind, current["id"], int(current.get("revision_number") or 0))


def _revised(context: Any) -> None:
    # A subnet's change is one of its network, too, which has a higher revision then.
    backend.touch(objects.NETWORK, context.current["network_id"])


def _links_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    # The plugin of segments makes and removes them behind ML2's back.
    commits.touch(payload.context, objects.NETWORK, payload.latest_state["network_id"])


def _check_routed(context: Any) -> None:
    # Routers are on all chassis, and the addresses of a segment on some only: routers outside join segments.
    port = context.current
    owners = (*constants.ROUTER_INTERFACE_OWNERS, constants.DEVICE_OWNER_ROUTER_GW, constants.DEVICE_OWNER_FLOATINGIP)
    if port["device_owner"] in owners and database.routed(context._plugin_context, port["network_id"]):  # noqa: SLF001
        raise exceptions.InvalidInput(
            error_message="routers can have no ports on a network whose subnets are on segments"
        )


def _check_segments(segments: list[dict[str, Any]]) -> None:
    for segment in segments:
        if segment[api.NETWORK_TYPE] not in NETWORK_TYPES:
            raise exceptions.InvalidInput(
                error_message=f"networks of the type {segment[api.NETWORK_TYPE]} are not served by Dragonflow"
            )

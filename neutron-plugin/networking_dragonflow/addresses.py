"""Addresses of chassis on external networks, for distributed SNAT: servers say where one is needed, Neutron has it."""

import contextlib
from typing import Any

from neutron_lib import constants, exceptions
from neutron_lib import context as neutron_context
from neutron_lib.plugins import directory
from neutron_lib.plugins import utils as plugin_utils
from oslo_log import log

LOG = log.getLogger(__name__)

# Whose port it is; its device is the chassis.
OWNER = "network:distributed_snat"


def settle(wanted: dict[str, dict[str, Any]]) -> None:
    """Have a port for each address that is wanted, by id, and no other. What fails is tried again the next time."""
    context, plugin = neutron_context.get_admin_context(), directory.get_plugin()
    have = {port["id"] for port in plugin.get_ports(context, filters={"device_owner": [OWNER]}, fields=["id"])}
    for id_ in have - wanted.keys():
        with contextlib.suppress(exceptions.PortNotFound):
            plugin.delete_port(context, id_)
    for id_ in wanted.keys() - have:
        _allocate(context, plugin, wanted[id_])


def _allocate(context: Any, plugin: Any, address: dict[str, Any]) -> None:
    network, host = address["network_id"], address["host"]
    filters = {"network_id": [network], "ip_version": [constants.IP_VERSION_4]}
    failure: Exception | None = None
    for subnet in plugin.get_subnets(context, filters=filters, fields=["id"]):
        port = {
            "id": address["id"],
            "tenant_id": "",  # as the ports of gateways, which are nobody's
            "network_id": network,
            "fixed_ips": [{"subnet_id": subnet["id"]}],
            "mac_address": constants.ATTR_NOT_SPECIFIED,
            "admin_state_up": True,
            "device_id": host,
            "device_owner": OWNER,
            "name": "",
        }
        try:
            plugin_utils.create_port(plugin, context, {"port": port}, check_allow_post=False)  # for its id
        except exceptions.NeutronException as e:
            failure = e  # no address is left there; the network is gone; another process was first
        else:
            return
    LOG.warning("dragonflow: no address of %s for %s, gateways translate for it: %s", network, host, failure)

"""Trunks: the driver of Neutron's plugin, which binds sub-ports where their parents are and pushes trunks."""

import contextlib
from collections.abc import Iterable
from typing import Any

from neutron.objects import trunk as trunk_objects
from neutron.services.trunk.drivers import base
from neutron_lib import context as neutron_context
from neutron_lib import exceptions
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, priority_group, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.services.trunk import constants
from oslo_config import cfg

from networking_dragonflow import commits, objects

NAME = "dragonflow"

_INTERFACES = (portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_VHOST_USER)
_MINE = (*_INTERFACES, portbindings.VIF_TYPE_UNBOUND, portbindings.VIF_TYPE_BINDING_FAILED)

# After the other drivers, whose place in the plugin's list is looked at.
_LAST = priority_group.PRIORITY_DEFAULT + 1000


class DragonflowTrunkDriver(base.DriverBase):
    """Has sub-ports follow their parents. Nothing of it needs an agent, and trunks can be made of bound ports."""

    def __init__(self) -> None:
        """Wait for Neutron's plugin, which comes after ML2's drivers."""
        super().__init__(NAME, _INTERFACES, (constants.SEGMENTATION_TYPE_VLAN,), can_trunk_bound_port=True)
        registry.subscribe(self.register, resources.TRUNK_PLUGIN, events.AFTER_INIT, _LAST)

    @property
    def is_loaded(self) -> bool:
        """Tell whether ML2 has the mechanism driver."""
        return NAME in cfg.CONF.ml2.mechanism_drivers

    def register(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:  # noqa: ARG002
        """Join the plugin and follow its events."""
        trigger.register_driver(self)
        # The driver of ML2/OVS is always there, and would claim our ports: chassis are agents of its type.
        trigger.registered_drivers[:] = [driver for driver in trigger.registered_drivers if driver.is_loaded]
        for of_trunks in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
            registry.subscribe(_trunk_changed, resources.TRUNK, of_trunks)
        for of_sub_ports in (events.AFTER_CREATE, events.AFTER_DELETE):
            registry.subscribe(_sub_ports_changed, resources.SUBPORTS, of_sub_ports)
        registry.subscribe(_port_changed, resources.PORT, events.AFTER_UPDATE)


def _trunk_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    trunk = payload.states[0]
    if event == events.AFTER_DELETE:
        commits.delete(payload.context, objects.TRUNK, trunk.id)
        _leave(trunk.sub_ports)
        return
    if event == events.AFTER_CREATE:
        _follow(trunk.port_id, trunk.sub_ports)
    commits.touch(payload.context, objects.TRUNK, trunk.id)


def _sub_ports_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    trunk, changed = payload.states[0], payload.metadata["subports"]
    commits.touch(payload.context, objects.TRUNK, trunk.id)
    if event == events.AFTER_DELETE:
        _leave(changed)
    else:
        _follow(trunk.port_id, changed)


def _port_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    port, before = payload.latest_state, payload.states[0]
    details = port.get("trunk_details")  # of a parent
    if not details or port.get(portbindings.HOST_ID) == before.get(portbindings.HOST_ID):
        return
    trunk = trunk_objects.Trunk.get_object(neutron_context.get_admin_context(), id=details["trunk_id"])
    if trunk is not None:
        _follow(trunk.port_id, trunk.sub_ports)


def _follow(parent: str, sub_ports: Iterable[Any]) -> None:
    """Bind sub-ports where their parent is."""
    try:
        port = directory.get_plugin().get_port(neutron_context.get_admin_context(), parent)
    except exceptions.PortNotFound:
        return
    if port[portbindings.VIF_TYPE] in _MINE:
        _bind(sub_ports, port[portbindings.HOST_ID] or "", str(constants.TRUNK_SUBPORT_OWNER))


def _leave(sub_ports: Iterable[Any]) -> None:
    """Make ports of their own of sub-ports, which are plugged nowhere."""
    _bind(sub_ports, "", "")


def _bind(sub_ports: Iterable[Any], host: str, owner: str) -> None:
    context, plugin = neutron_context.get_admin_context(), directory.get_plugin()
    for sub_port in sub_ports:
        with contextlib.suppress(exceptions.PortNotFound):  # it was deleted meanwhile, with its trunk
            plugin.update_port(context, sub_port.port_id, {"port": {portbindings.HOST_ID: host, "device_owner": owner}})

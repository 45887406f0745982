"""Port forwarding: Neutron's own plugin, on top of this package's routers."""

from typing import Any, ClassVar

from neutron.services.portforwarding import constants as forwarding_constants
from neutron.services.portforwarding import pf_plugin
from neutron_lib.callbacks import events, registry

from networking_dragonflow import commits, objects


class DragonflowPortForwardingPlugin(pf_plugin.PortForwardingPlugin):
    """Neutron's plugin knows the routers of agents and of OVN only, and would load the former beside ours."""

    required_service_plugins: ClassVar[list[str]] = ["dragonflow-router"]
    _rpc_notifications_required = False

    __native_pagination_support = True
    __native_sorting_support = True
    __filter_validation_support = True

    def __init__(self) -> None:
        """Follow the events of this process."""
        super().__init__()
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
            registry.subscribe(_changed, forwarding_constants.PORT_FORWARDING, event)


def _changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    for state in payload if isinstance(payload, list) else [payload]:
        forwarding = state.latest_state
        # Both have a higher revision then.
        commits.touch(state.context, objects.FLOATINGIP, forwarding.floatingip_id)
        commits.touch(state.context, objects.PORT, forwarding.internal_port_id)
        if event == events.AFTER_DELETE:
            commits.delete(state.context, objects.PORT_FORWARDING, forwarding.id)
        else:
            commits.touch(state.context, objects.PORT_FORWARDING, forwarding.id)

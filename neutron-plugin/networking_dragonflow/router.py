"""The L3 service plugin: routers, their interfaces, gateways and routes, and floating IPs.

The API and the database are Neutron's. Servers hear of a router and of a floating IP as objects, and of interfaces and
gateways as ports. Which chassis is a gateway they decide, not Neutron.
"""

from typing import Any, ClassVar

from neutron.db import dns_db, extraroute_db, l3_fip_pools_db, l3_fip_port_details, l3_gwmode_db
from neutron.db.availability_zone import router as router_zones
from neutron.db.models import l3 as l3_models
from neutron.quota import resource_registry
from neutron_lib import constants
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugin_constants
from neutron_lib.services import base as service_base

from networking_dragonflow import commits, extensions, objects, zones


class DragonflowRouterPlugin(
    service_base.ServicePluginBase,
    extraroute_db.ExtraRoute_dbonly_mixin,
    l3_gwmode_db.L3_NAT_dbonly_mixin,
    dns_db.DNSDbMixin,
    l3_fip_port_details.Fip_port_details_db_mixin,
    l3_fip_pools_db.FloatingIPPoolsMixin,
    router_zones.RouterAvailabilityZoneMixin,
):
    """Neutron's routers without agents."""

    supported_extension_aliases: ClassVar[list[str]] = list(extensions.OF_ROUTERS)

    # The API looks for these under the names that the language makes of them for this very class.
    __native_pagination_support = True
    __native_sorting_support = True
    __filter_validation_support = True

    @resource_registry.tracked_resources(router=l3_models.Router, floatingip=l3_models.FloatingIP)
    def __init__(self) -> None:
        """Follow the events of this process."""
        super().__init__()
        for event in (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE):
            registry.subscribe(_router_changed, resources.ROUTER, event)
            registry.subscribe(_floatingip_changed, resources.FLOATING_IP, event)
            registry.subscribe(_interface_changed, resources.ROUTER_INTERFACE, event)
            registry.subscribe(_gateway_changed, resources.ROUTER_GATEWAY, event)

    @classmethod
    def get_plugin_type(cls) -> str:
        """Return which of Neutron's plugins this is."""
        return str(plugin_constants.L3)

    def get_plugin_description(self) -> str:
        """Return what people read about it."""
        return "Routers that are on every chassis, by Dragonflow"

    def validate_availability_zones(self, context: Any, resource_type: str, availability_zones: list[str]) -> None:
        """Refuse hints at zones that are none."""
        if resource_type == zones.ROUTER:
            zones.check(context, availability_zones)

    def get_router_availability_zones(self, router: Any) -> list[str]:
        """Return the zones that a router hints at: its gateway is in one of them."""
        return zones.hinted(router)

    def create_floatingip(
        self, context: Any, floatingip: dict[str, Any], initial_status: str = constants.FLOATINGIP_STATUS_DOWN
    ) -> dict[str, Any]:
        """Make a floating IP, which is DOWN until a chassis serves it."""
        return super().create_floatingip(context, floatingip, initial_status)


def _router_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    if event == events.AFTER_DELETE:
        commits.delete(payload.context, objects.ROUTER, payload.resource_id)
    else:
        commits.touch(payload.context, objects.ROUTER, payload.resource_id)


def _interface_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    commits.touch(payload.context, objects.ROUTER, payload.resource_id)
    port = (payload.metadata or {}).get("port")
    if port:
        commits.touch(
            payload.context, objects.PORT, port["id"]
        )  # it may have been made an interface behind the driver's back


def _gateway_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    router = payload.resource_id or (payload.latest_state or {}).get("id")
    if router:
        commits.touch(payload.context, objects.ROUTER, router)


def _floatingip_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:  # noqa: ARG001
    if event == events.AFTER_DELETE:
        commits.delete(payload.context, objects.FLOATINGIP, payload.resource_id)
        return
    commits.touch(payload.context, objects.FLOATINGIP, payload.resource_id)

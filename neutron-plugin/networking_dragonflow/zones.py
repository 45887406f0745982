"""Availability zones: those in which chassis are that may be gateways, as ML2/OVN has them."""

from collections.abc import Callable
from typing import Any

from neutron.objects import agent as agent_objects
from neutron.plugins.ml2 import plugin as ml2
from neutron_lib.api.validators import availability_zone as hints
from neutron_lib.exceptions import availability_zone as refusals

from networking_dragonflow import binding

NETWORK, ROUTER = "network", "router"

_FILTERED = ("name", "resource", "state")


def serve() -> None:
    """Have ML2 tell of chassis where it would of agents of DHCP and of routers."""
    ml2.Ml2Plugin.get_availability_zones = _listed
    ml2.Ml2Plugin.validate_availability_zones = _validator(NETWORK)
    ml2.Ml2Plugin.get_network_availability_zones = _of_network


def names(context: Any) -> set[str]:
    """Return the zones."""
    agents = agent_objects.Agent.get_objects(context, agent_type=binding.AGENT_TYPE)
    told = [agent.configurations or {} for agent in agents]
    return {zone for one in told if one.get("gateway") for zone in one.get("availability_zones") or []}


def check(context: Any, hinted: list[str] | None) -> None:
    """Refuse hints at zones that are none."""
    missing = set(hinted or []) - names(context) if hinted else set()
    if missing:
        raise refusals.AvailabilityZoneNotFound(availability_zone=", ".join(sorted(missing)))


def hinted(router: Any) -> list[str]:
    """Return the zones that a row of the database of routers hints at."""
    extra = router["extra_attributes"] or {}
    return list(hints.convert_az_string_to_list(extra.get("availability_zone_hints")))


def _listed(
    _plugin: Any,
    context: Any,
    filters: dict[str, list[Any]] | None = None,
    *_args: Any,  # of fields and pages, which the API does by itself
    **_kwargs: Any,
) -> list[dict[str, Any]]:
    zones = [
        {
            "name": name,
            "resource": ROUTER,
            "state": "available",
            "project_id": context.project_id,
            "tenant_id": context.project_id,
        }
        for name in sorted(names(context))
    ]
    wanted = {name: (filters or {}).get(name) for name in _FILTERED}
    return [zone for zone in zones if all(not values or zone[name] in values for name, values in wanted.items())]


def _validator(served: str) -> Callable[[Any, Any, str, list[str]], None]:
    def validate(_plugin: Any, context: Any, resource_type: str, availability_zones: list[str]) -> None:
        if resource_type == served:
            check(context, availability_zones)

    return validate


def _of_network(_plugin: Any, network: Any) -> list[str]:
    # A network is on every chassis that needs it.
    return list(hints.convert_az_string_to_list(network["availability_zone_hints"]))

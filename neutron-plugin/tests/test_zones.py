"""Availability zones."""

from types import SimpleNamespace
from typing import Any

import pytest
from neutron_lib.exceptions import availability_zone as refusals

from networking_dragonflow import zones

_CONTEXT = SimpleNamespace(project_id="acme")


@pytest.fixture(autouse=True)
def _agents(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = [
        {"gateway": True, "availability_zones": ["east", "west"]},
        {"gateway": True},
        {"gateway": False, "availability_zones": ["far"]},
    ]
    agents = [SimpleNamespace(configurations=one) for one in told]
    monkeypatch.setattr("networking_dragonflow.zones.agent_objects.Agent.get_objects", lambda *_args, **_kwargs: agents)


def test_zones_are_those_of_gateways() -> None:
    def listed(**filters: list[str]) -> list[str]:
        return [zone["name"] for zone in zones._listed(None, _CONTEXT, filters)]

    assert listed() == ["east", "west"]
    assert listed(name=["west"], state=["available"]) == ["west"]
    assert listed(resource=["network"]) == []


def test_unknown_zones_are_refused() -> None:
    zones.check(_CONTEXT, ["east"])
    zones.check(_CONTEXT, None)
    with pytest.raises(refusals.AvailabilityZoneNotFound):
        zones.check(_CONTEXT, ["east", "far"])


def test_a_router_shows_its_hints() -> None:
    assert zones.hinted({"extra_attributes": {"availability_zone_hints": '["east"]'}}) == ["east"]
    assert zones.hinted({"extra_attributes": None}) == []

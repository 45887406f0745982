"""Trunks: sub-ports follow their parents, and servers are told."""

from types import SimpleNamespace
from typing import Any

import pytest
from neutron_lib import exceptions
from neutron_lib.callbacks import events, registry

from networking_dragonflow import commits, trunk


class Plugin:
    """ML2, with a parent and what becomes of its sub-ports."""

    def __init__(self, host: str, vif_type: str) -> None:
        self.parent = {"id": "parent", "binding:host_id": host, "binding:vif_type": vif_type}
        self.updates: dict[str, Any] = {}

    def get_port(self, _context: Any, id_: str) -> dict[str, Any]:
        assert id_ == "parent"
        return self.parent

    def update_port(self, _context: Any, id_: str, body: dict[str, Any]) -> None:
        if id_ == "gone":
            raise exceptions.PortNotFound(port_id=id_)
        self.updates[id_] = body["port"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(commits, "touch", lambda _context, kind, id_: told.append(("touch", kind, id_)))
    monkeypatch.setattr(commits, "delete", lambda _context, kind, id_: told.append(("delete", kind, id_)))
    return told


def use(monkeypatch: pytest.MonkeyPatch, host: str = "c1", vif_type: str = "ovs") -> Plugin:
    plugin = Plugin(host, vif_type)
    monkeypatch.setattr("networking_dragonflow.trunk.directory.get_plugin", lambda: plugin)
    monkeypatch.setattr("networking_dragonflow.trunk.neutron_context.get_admin_context", SimpleNamespace)
    return plugin


def a_trunk(*sub_ports: str) -> SimpleNamespace:
    return SimpleNamespace(id="t", port_id="parent", sub_ports=[SimpleNamespace(port_id=p) for p in sub_ports])


def payload(state: Any, **metadata: Any) -> SimpleNamespace:
    return SimpleNamespace(context=None, states=(state,), metadata=metadata, latest_state=state)


SUB_PORT = {"binding:host_id": "c1", "device_owner": "trunk:subport"}
PORT = {"binding:host_id": "", "device_owner": ""}


def test_a_new_trunk_takes_its_sub_ports_along(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str, str]]
) -> None:
    plugin = use(monkeypatch)
    trunk._trunk_changed("trunk", events.AFTER_CREATE, None, payload(a_trunk("a", "gone", "b")))
    assert plugin.updates == {"a": SUB_PORT, "b": SUB_PORT}
    assert told == [("touch", "trunk", "t")]


def test_sub_ports_of_a_deleted_trunk_are_plugged_nowhere(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str, str]]
) -> None:
    plugin = use(monkeypatch)
    trunk._trunk_changed("trunk", events.AFTER_DELETE, None, payload(a_trunk("a")))
    assert plugin.updates == {"a": PORT}
    assert told == [("delete", "trunk", "t")]


def test_only_the_sub_ports_that_come_or_go_are_bound(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str, str]]
) -> None:
    plugin = use(monkeypatch)
    some = payload(a_trunk("a", "b"), subports=a_trunk("b").sub_ports)
    trunk._sub_ports_changed("subports", events.AFTER_CREATE, None, some)
    assert plugin.updates == {"b": SUB_PORT}
    trunk._sub_ports_changed("subports", events.AFTER_DELETE, None, some)
    assert plugin.updates == {"b": PORT}
    assert told == [("touch", "trunk", "t")] * 2


def test_sub_ports_follow_a_parent_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = use(monkeypatch)
    monkeypatch.setattr("neutron.objects.trunk.Trunk.get_object", lambda _context, **_: a_trunk("a"))
    before = plugin.parent | {"binding:host_id": "c0"}
    now = plugin.parent | {"trunk_details": {"trunk_id": "t"}}
    trunk._port_changed("port", events.AFTER_UPDATE, None, SimpleNamespace(states=(before, now), latest_state=now))
    assert plugin.updates == {"a": SUB_PORT}
    plugin.updates.clear()
    trunk._port_changed("port", events.AFTER_UPDATE, None, SimpleNamespace(states=(now, now), latest_state=now))
    other = plugin.parent
    trunk._port_changed("port", events.AFTER_UPDATE, None, SimpleNamespace(states=(before, other), latest_state=other))
    assert plugin.updates == {}


@pytest.mark.usefixtures("told")
def test_parents_of_other_drivers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = use(monkeypatch, vif_type="hw_veb")
    trunk._trunk_changed("trunk", events.AFTER_CREATE, None, payload(a_trunk("a")))
    assert plugin.updates == {}


def test_the_driver_of_ml2_ovs_does_not_claim_our_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    ml2 = SimpleNamespace(mechanism_drivers=["dragonflow"])
    monkeypatch.setattr("networking_dragonflow.trunk.cfg.CONF", SimpleNamespace(ml2=ml2))
    monkeypatch.setattr(registry, "subscribe", lambda *_: None)
    drivers = [SimpleNamespace(is_loaded=False)]
    plugin = SimpleNamespace(registered_drivers=drivers, register_driver=drivers.append)
    driver = trunk.DragonflowTrunkDriver()
    driver.register("trunk_plugin", events.AFTER_INIT, plugin)
    assert plugin.registered_drivers == [driver]
    assert driver.can_trunk_bound_port
    assert not driver.agent_type

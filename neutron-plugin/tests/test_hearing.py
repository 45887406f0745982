"""Hearing: what a process that died did not hear or do is made up for."""

from types import SimpleNamespace
from typing import Any

import pytest

from networking_dragonflow import addresses, binding, database, hearing


class Tells:
    """A server that tells of a chassis that lives and of one that is dead."""

    def status(self, _cursor: str | None, _wait: int) -> dict[str, Any]:
        agents = [{"id": host, "host": host, "alive": host == "c1"} for host in ("c1", "c2")]
        return {"complete": True, "cursor": "1", "agents": agents}


def test_binds_again_once_what_failed_on_a_chassis_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"c1": {"p1"}, "c2": {"p2"}}
    bound: list[str] = []
    monkeypatch.setattr(database, "failed_bindings", lambda host: set(failed[host]))
    monkeypatch.setattr(binding, "bind_again", lambda _context, host: bound.append(host))
    monkeypatch.setattr("networking_dragonflow.hearing.neutron_context.get_admin_context", object)
    monkeypatch.setattr(addresses, "settle", lambda _known: None)
    monkeypatch.setattr(hearing.Listener, "_agent", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(hearing.Listener, "_show_floatingips", lambda *_args: None)
    listener = hearing.Listener(Tells(), heartbeat=-1)
    listener.hear()
    listener.hear()
    assert bound == ["c1"]
    failed["c1"].add("p3")
    listener.hear()
    assert bound == ["c1", "c1"]


def test_tells_neutron_that_an_agent_has_no_zones_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    plugin = SimpleNamespace(create_or_update_agent=lambda _context, state: told.append(state))
    monkeypatch.setattr("networking_dragonflow.hearing.directory.get_plugin", lambda: plugin)
    monkeypatch.setattr("networking_dragonflow.hearing.neutron_context.get_admin_context", object)
    listener = hearing.Listener(Tells(), heartbeat=-1)
    agent = {"id": "c1", "host": "c1", "alive": True}
    zones = {"gateway": True, "availability_zones": ["east"]}
    listener._agent({**agent, "configurations": zones, "availability_zone": "east"}, new=True)
    listener._agent({**agent, "configurations": {"gateway": True}}, new=False)
    assert [state["availability_zone"] for state in told] == ["east", None]  # left out, Neutron would keep it
    assert [state["configurations"] for state in told] == [zones, {"gateway": True}]

"""Hearing: what a process that died did not hear or do is made up for."""

from types import SimpleNamespace
from typing import Any

import pytest
from neutron_lib import exceptions
from neutron_lib.plugins import constants as plugin_constants
from sqlalchemy.orm.exc import StaleDataError

from networking_dragonflow import addresses, backend, binding, database, hearing


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


def test_a_floating_ip_that_changes_or_goes_at_the_same_moment_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class L3:
        """Somebody deletes f1 between its being read and its being written, and changes f2 so."""

        def get_floatingips(self, _context: Any, **_: Any) -> list[dict[str, Any]]:
            return [{"id": id_, "status": "DOWN"} for id_ in ("f1", "f2")]

        def update_floatingip_status(self, _context: Any, id_: str, _status: str) -> None:
            tried.append(id_)
            if tried.count(id_) == 1:
                raise StaleDataError
            if id_ == "f1":
                raise exceptions.ObjectNotFound(id=id_)

    touched: list[str] = []
    monkeypatch.setattr("networking_dragonflow.hearing.directory.get_plugin", {plugin_constants.L3: L3()}.get)
    monkeypatch.setattr("networking_dragonflow.hearing.neutron_context.get_admin_context", object)
    monkeypatch.setattr(backend, "touch", lambda _kind, id_: touched.append(id_))
    listener = hearing.Listener(Tells(), heartbeat=60)
    listener._floatingips = {"f1": "ACTIVE", "f2": "ACTIVE"}
    listener._show_floatingips(["f1", "f2"])
    assert tried == ["f1", "f1", "f2", "f2"]
    assert touched == ["f2"]

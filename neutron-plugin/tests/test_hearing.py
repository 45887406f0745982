"""Hearing: what a process that died did not hear or do is made up for."""

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

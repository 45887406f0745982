"""The audit: what differs is read and pushed, and nothing else."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from networking_dragonflow import audit, database, objects
from networking_dragonflow.server import Server, UnavailableError
from tests.fake import FakeServer


class Neutron:
    """What Neutron's database has, in place of the functions that read it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ports: dict[str, objects.Change] = {}
        for name in ("served", "last", "page", "recent", "read", "count", "ids"):
            monkeypatch.setattr(database, name, getattr(self, name))

    def put(self, number: int, revision: int = 1, name: str = "") -> None:
        id_ = f"{number:04}"
        self.ports[id_] = objects.stored(objects.PORT, {"id": id_, "revision_number": revision, "name": name})

    def served(self) -> list[str]:
        return [objects.PORT]

    def last(self, _kind: str, after: str, limit: int) -> str:
        behind = sorted(id_ for id_ in self.ports if id_ > after)
        return behind[limit - 1] if len(behind) >= limit else ""

    def page(self, _kind: str, after: str, until: str) -> list[objects.Change]:
        return [c for id_, c in sorted(self.ports.items()) if id_ > after and (not until or id_ <= until)]

    def recent(self, _kind: str, _since: datetime, limit: int) -> list[objects.Change]:
        return list(self.ports.values())[:limit]

    def count(self, _kind: str) -> int:
        return len(self.ports)

    def ids(self, _kind: str, after: str, limit: int) -> list[str]:
        return sorted(id_ for id_ in self.ports if id_ > after)[:limit]

    def read(self, keys: Iterator[tuple[str, str]]) -> dict[tuple[str, str], objects.Change]:
        return {key: self.ports[key[1]] for key in keys if key[1] in self.ports}


@pytest.fixture
def neutron(monkeypatch: pytest.MonkeyPatch) -> Neutron:
    return Neutron(monkeypatch)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path / "s")
    yield fake
    fake.stop()


@pytest.fixture
def auditor(server: FakeServer) -> audit.Auditor:
    return audit.Auditor(Server([server.url]), recent=15, full=60)


def test_pushes_what_is_missing_page_by_page(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    for number in range(1200):
        neutron.put(number)
    assert auditor.everything() == 1200
    assert len(server.objects) == 1200
    assert auditor.everything() == 0


def test_pushes_what_differs_by_revision_or_digest(
    neutron: Neutron, server: FakeServer, auditor: audit.Auditor
) -> None:
    for number in range(3):
        neutron.put(number)
    auditor.everything()
    neutron.put(1, revision=2)
    neutron.put(2, name="changed at the same revision")
    assert auditor.recent() == 2
    assert server.objects["port", "0002"]["object"]["name"] == "changed at the same revision"
    assert auditor.recent() == 0


def test_deletes_what_a_second_look_does_not_find(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    for number in range(4):
        neutron.put(number)
    auditor.everything()
    kept, *lost = [neutron.ports.pop(f"{number:04}") for number in (1, 2, 3)]
    auditor.surplus()
    neutron.ports[kept.id] = kept  # its transaction had not been seen yet
    neutron.put(2, revision=7)
    server.push([neutron.ports["0002"].wire()])
    del neutron.ports["0002"]  # written in between: not what was found to be absent
    auditor.withdraw(60)
    assert len(server.objects) == 4
    auditor.withdraw(0)
    assert {id_ for _, id_ in server.objects} == {"0000", "0001", "0002"}
    assert not server.deleted
    auditor.surplus()
    auditor.withdraw(0)
    assert {id_ for _, id_ in server.objects} == {"0000", "0001"}
    assert len(lost) == 2


def test_looks_for_a_surplus_only_where_there_is_one(
    neutron: Neutron, server: FakeServer, auditor: audit.Auditor
) -> None:
    neutron.put(1)
    auditor.everything()
    pages = len(server.pages)
    auditor.surplus()
    assert len(server.pages) == pages


def test_only_looks_if_nothing_is_to_be_fixed(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    neutron.put(1)
    assert auditor.everything("of somebody", fix=False) == 0
    assert not server.objects


def test_an_outage_is_not_taken_for_agreement(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    neutron.put(1)
    server.failing = True
    with pytest.raises(UnavailableError):
        auditor.everything()


def test_an_audit_is_made_with_the_server_that_was_asked(neutron: Neutron, server: FakeServer) -> None:
    neutron.put(1)
    asked = audit.Asked(Server([server.url]))
    server.asked = [{"id": "a", "fix": False}, {"id": "b", "fix": True}]
    asked.hear()
    assert server.audited == {"a": 0, "b": 1}
    assert ("port", "0001") in server.objects
    assert {page.get("audit") for page in server.pages} == {"a", "b"}


def test_who_asked_hears_of_a_failure(monkeypatch: pytest.MonkeyPatch, neutron: Neutron, server: FakeServer) -> None:
    def fails(*_args: object) -> None:
        raise ValueError("the database is in pieces")

    assert neutron
    monkeypatch.setattr(database, "page", fails)
    server.asked = [{"id": "a", "fix": False}]
    with pytest.raises(ValueError, match="pieces"):
        audit.Asked(Server([server.url])).hear()
    assert server.errors == {"a": "the database is in pieces"}

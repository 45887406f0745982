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
        for name in ("served", "last", "page", "recent", "read"):
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


def test_only_looks_if_nothing_is_to_be_fixed(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    neutron.put(1)
    assert auditor.everything("of somebody", fix=False) == 0
    assert not server.objects


def test_an_outage_is_not_taken_for_agreement(neutron: Neutron, server: FakeServer, auditor: audit.Auditor) -> None:
    neutron.put(1)
    server.failing = True
    with pytest.raises(UnavailableError):
        auditor.everything()

"""The journal: nothing is lost, nothing is out of order, and nobody waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from networking_dragonflow import journal, objects
from networking_dragonflow.server import Server
from tests.fake import FakeServer

PORT = "c0000000-0000-4000-8000-000000000001"
PATIENCE = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path / "s")
    yield fake
    fake.stop()


@pytest.fixture
def database() -> dict[journal.Key, objects.Change]:
    return {}


@pytest.fixture
def waiting(server: FakeServer, database: dict[journal.Key, objects.Change]) -> Iterator[journal.Journal]:
    made = journal.Journal(
        lambda: Server([server.url]), lambda keys: {k: database[k] for k in keys if k in database}, limit=5
    )
    yield made
    made.close()


def port(revision: int, name: str = "") -> objects.Change:
    return objects.stored(objects.PORT, {"id": PORT, "revision_number": revision, "name": name})


def test_pushes(server: FakeServer, waiting: journal.Journal) -> None:
    waiting.put(port(1))
    assert waiting.wait_empty(PATIENCE)
    assert server.objects["port", PORT]["revision"] == 1


def test_keeps_the_newest_while_no_server_takes_it(server: FakeServer, waiting: journal.Journal) -> None:
    server.failing = True
    for revision in (1, 3, 2):
        waiting.put(port(revision))
    assert not waiting.wait_empty(0.3)
    server.failing = False
    assert waiting.wait_empty(PATIENCE)
    assert server.objects["port", PORT]["revision"] == 3


def test_pushes_to_a_server_that_comes_back_under_the_same_address(tmp_path: Path, server: FakeServer) -> None:
    made = journal.Journal(lambda: Server([server.url]), lambda _: {}, limit=5)
    made.put(port(1))
    assert made.wait_empty(PATIENCE)
    server.stop()
    made.put(port(2))
    assert not made.wait_empty(0.3)
    (tmp_path / "s").unlink()
    again = FakeServer(tmp_path / "s")
    try:
        assert made.wait_empty(PATIENCE)
        assert again.objects["port", PORT]["revision"] == 2
    finally:
        made.close()
        again.stop()


def test_a_deletion_is_the_last_word(server: FakeServer, waiting: journal.Journal) -> None:
    server.failing = True
    waiting.put(port(1))
    waiting.put(objects.deleted(objects.PORT, PORT, 1))
    waiting.put(port(9))
    waiting.touch(objects.PORT, PORT)
    server.failing = False
    assert waiting.wait_empty(PATIENCE)
    assert server.deleted == {("port", PORT)}
    assert not server.objects


def test_reads_what_was_touched(
    server: FakeServer, waiting: journal.Journal, database: dict[journal.Key, objects.Change]
) -> None:
    database["port", PORT] = port(4)
    waiting.touch(objects.PORT, PORT)
    waiting.touch(objects.PORT, "of a transaction that was rolled back")
    assert waiting.wait_empty(PATIENCE)
    assert list(server.objects) == [("port", PORT)]


def test_reads_again_what_differs_at_the_same_revision(
    server: FakeServer, waiting: journal.Journal, database: dict[journal.Key, objects.Change]
) -> None:
    waiting.put(port(1, "old"))
    assert waiting.wait_empty(PATIENCE)
    database["port", PORT] = port(1, "newest")
    waiting.put(port(1, "newer"))
    assert waiting.wait_empty(PATIENCE)
    assert server.objects["port", PORT]["object"]["name"] == "newest"


def test_one_refused_object_holds_up_no_other(server: FakeServer, waiting: journal.Journal) -> None:
    server.refuses.add("bad")
    waiting.put(objects.Change(objects.PORT, "bad", 1, {}))
    waiting.put(port(1))
    assert waiting.wait_empty(PATIENCE)
    assert ("port", PORT) in server.objects


def test_has_a_limit(server: FakeServer, waiting: journal.Journal) -> None:
    server.failing = True
    for n in range(10):
        waiting.put(objects.Change(objects.PORT, str(n), 1, {}))
    server.failing = False
    assert waiting.wait_empty(PATIENCE)
    assert len(server.objects) == 5
    waiting.put(port(1))
    assert waiting.wait_empty(PATIENCE)
    assert ("port", PORT) in server.objects

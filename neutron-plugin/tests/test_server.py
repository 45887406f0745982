"""The client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from networking_dragonflow.server import RefusedError, Server, UnavailableError
from tests.fake import FakeServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path / "s")
    yield fake
    fake.stop()


@pytest.mark.parametrize("url", ["", "/run/s", "http://10.0.0.1:1", "https://", "unix:run/s"])
def test_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Server([url])


def test_goes_on_to_the_server_that_answers(server: FakeServer, tmp_path: Path) -> None:
    client = Server([f"unix:{tmp_path}/nobody", server.url])
    assert client.status(None, 0) == {"path": "/v1/status?wait=0"}
    assert client.status("7.a b", 3) == {"path": "/v1/status?wait=3&since=7.a+b"}
    client.close()


def test_says_who_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="nobody"):
        Server([f"unix:{tmp_path}/nobody"]).push([])


def test_tells_what_may_be_tried_again_from_what_may_not(server: FakeServer) -> None:
    client = Server([server.url])
    with pytest.raises(RefusedError, match="404"):
        client.audited("a/b", 1, "")
    server.failing = True
    with pytest.raises(UnavailableError, match="the database does not answer"):
        client.push([])
    client.close()

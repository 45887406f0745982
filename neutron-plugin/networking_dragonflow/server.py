"""The client of ``dragonflow server``: JSON over HTTP on a Unix socket, or HTTPS with a client's certificate.

Only the standard library's sockets are used: under eventlet, which older releases of Neutron run on, they yield.
A ``Server`` is for one thread.
"""

import http.client
import json
import socket
import ssl
import urllib.parse
from typing import Any

Answer = dict[str, Any]

_BAD_REQUEST = 400
_SERVER_ERROR = 500


class UnavailableError(Exception):
    """No server answers, or none can: the same request may be sent again later."""


class RefusedError(Exception):
    """A server says that the request is wrong: sending it again changes nothing."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        try:
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        self.sock = sock


class Credentials:
    """How a client shows who it is, and knows the server."""

    def __init__(self, ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None) -> None:
        self._ca_file, self._cert_file, self._key_file = ca_file, cert_file, key_file

    def context(self) -> ssl.SSLContext:
        """Return what a connection needs. The files are read anew, as certificates are renewed."""
        context = ssl.create_default_context(cafile=self._ca_file)
        if self._cert_file:
            context.load_cert_chain(self._cert_file, self._key_file)
        return context


class Server:
    """One of several servers, whichever answers, over a connection that stays open."""

    def __init__(self, urls: list[str], credentials: Credentials | None = None, timeout: float = 10) -> None:
        """Connect lazily to the first of urls that answers. Raises ValueError for one that is no address."""
        if not urls:
            raise ValueError("no server is named")
        for url in urls:
            _check(url)
        self._urls = list(urls)
        self._credentials = credentials or Credentials()
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def push(self, changes: list[Answer]) -> list[Answer]:
        """Push changes, and return what became of each, in their order."""
        results: list[Answer] = self._call("POST", "/v1/push", {"changes": changes})["results"]
        if len(results) != len(changes):
            raise UnavailableError(f"{len(results)} results for {len(changes)} changes")
        return results

    def status(self, cursor: str | None, wait: int) -> Answer:
        """Return what has changed since the cursor, or everything; wait up to that many seconds for a change."""
        query = {"wait": str(wait)} | ({"since": cursor} if cursor else {})
        return self._call("GET", "/v1/status?" + urllib.parse.urlencode(query), None, wait)

    def counts(self) -> dict[str, int]:
        """Return how many objects of each kind the server has."""
        counts: dict[str, int] = self._call("GET", "/v1", None).get("counts") or {}
        return counts

    def audit(self, page: Answer) -> Answer:
        """Compare a page of what Neutron has with what the server has."""
        return self._call("POST", "/v1/audit", page)

    def audited(self, audit: str, pushed: int, error: str) -> None:
        """Tell that an audit that somebody asked for is done."""
        self._call("POST", f"/v1/audits/{urllib.parse.quote(audit, safe='')}/done", {"pushed": pushed, "error": error})

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call(self, method: str, path: str, body: Answer | None, wait: float = 0) -> Answer:
        text = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        failures = []
        reused = self._connection is not None
        # A connection that stayed open may have been closed by a server that was started anew: one more try.
        for _ in range(len(self._urls) + reused):
            try:
                return self._once(method, path, text, wait)
            except (OSError, http.client.HTTPException, UnavailableError, ValueError) as e:
                failures.append(f"{self._urls[0]}: {e or type(e).__name__}")
                self.close()
                if not reused:
                    self._urls.append(self._urls.pop(0))
                reused = False
        raise UnavailableError("; ".join(failures))

    def _once(self, method: str, path: str, text: bytes | None, wait: float) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.timeout = self._timeout + wait
        if self._connection.sock is not None:
            self._connection.sock.settimeout(self._timeout + wait)
        self._connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= _SERVER_ERROR:
            raise UnavailableError(f"{response.status} {_message(content)}")
        if response.status >= _BAD_REQUEST:
            raise RefusedError(f"{method} {path}: {response.status} {_message(content)}")
        answer = json.loads(content)
        if not isinstance(answer, dict):
            raise UnavailableError("the answer is no object")
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        url = self._urls[0]
        if url.startswith("unix:"):
            return _UnixConnection(url.removeprefix("unix:"), self._timeout)
        parts = urllib.parse.urlsplit(url)
        return http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=self._timeout, context=self._credentials.context()
        )


def _check(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if not (url.startswith("unix:/") or (parts.scheme == "https" and parts.hostname)):
        raise ValueError(f"{url!r} is neither unix:/PATH nor https://HOST:PORT")


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return content[:200].decode("utf-8", "replace")

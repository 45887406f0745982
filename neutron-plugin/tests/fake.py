"""A server that takes pushes as ``dragonflow server`` does, in memory, on a Unix socket."""

import contextlib
import http.server
import json
import socket
import socketserver
import threading
from collections import Counter
from pathlib import Path
from typing import Any

Object = dict[str, Any]


class FakeServer(socketserver.ThreadingUnixStreamServer):
    """Keeps objects by kind and id, with their revisions, digests and generations."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        """Serve on a socket, from now on."""
        super().__init__(str(path), _Handler)
        self.url = f"unix:{path}"
        self.objects: dict[tuple[str, str], Object] = {}
        self.deleted: set[tuple[str, str]] = set()
        self.pushes: list[list[Object]] = []
        self.failing = False
        self.refuses: set[str] = set()
        self.asked: list[Object] = []
        self.audited: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        self.pages: list[Object] = []
        self.lock = threading.Lock()
        self._writes = 0
        self._connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Serve no more, also not on connections that are open."""
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        self._connections.append(request)
        super().process_request(request, client_address)

    def push(self, changes: list[Object]) -> list[Object]:
        """Do what pushes ask for."""
        with self.lock:
            self.pushes.append(changes)
            return [self._push(change) for change in changes]

    def _push(self, change: Object) -> Object:
        key = (change["kind"], change["id"])
        have = self.objects.get(key)
        outcome = "stored"
        if change["id"] in self.refuses:
            outcome = "refused"
        elif change.get("deleted"):
            final = "generation" not in change
            if have and not final and change["generation"] != have["generation"]:
                outcome = "reread"
            else:
                self.objects.pop(key, None)
                self.deleted |= {key} if final else set()
                outcome = "deleted"
        elif key in self.deleted:
            outcome = "gone"
        elif have and change["revision"] < have["revision"]:
            outcome = "stale"
        elif have and change["revision"] == have["revision"] and change["digest"] == have["digest"]:
            outcome = "same"
        elif have and change["revision"] == have["revision"] and change.get("generation") != have["generation"]:
            outcome = "reread"
        if outcome == "stored":
            self._writes += 1
            self.objects[key] = change | {"generation": str(self._writes)}
        now = self.objects.get(key, {})
        return {"kind": key[0], "id": key[1], "outcome": outcome, "generation": now.get("generation"), "message": "no"}

    def audit(self, page: Object) -> Object:
        """Compare a page."""
        with self.lock:
            self.pages.append(page)
            listed = {one["id"]: one for one in page["objects"]}
            have = {id_: one for (kind, id_), one in self.objects.items() if kind == page["kind"]}
            differ = [
                {"id": id_, "generation": have[id_]["generation"]}
                for id_, one in listed.items()
                if id_ in have
                and (have[id_]["revision"], have[id_]["digest"]) != (one.get("revision"), one.get("digest"))
            ]
            covered = {id_ for id_ in have if id_ > page["after"] and (not page["until"] or id_ <= page["until"])}
            absent = set() if page["partial"] else covered - set(listed)
            return {
                "missing": sorted(set(listed) - set(have)),
                "differ": [] if page.get("bare") else differ,
                "absent": [{"id": id_, "generation": have[id_]["generation"]} for id_ in sorted(absent)],
            }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeServer

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.failing:
            self._answer(503, {"error": {"type": "Unavailable", "message": "the database does not answer"}})
        elif self.path == "/v1/push":
            self._answer(200, {"results": self.server.push(body["changes"])})
        elif self.path == "/v1/audit":
            self._answer(200, self.server.audit(body))
        elif (audited := self.path.split("/")[-2]) in {asked["id"] for asked in self.server.asked}:
            self.server.audited[audited] = body["pushed"]
            self.server.errors |= {audited: body["error"]} if body["error"] else {}
            self._answer(200, {})
        else:
            self._answer(404, {"error": {"type": "NotFound", "message": self.path}})

    def do_GET(self) -> None:
        asked = {"audits": self.server.asked} if self.server.asked else {}
        counts = Counter(kind for kind, _ in self.server.objects)
        self._answer(200, {"path": self.path} | asked | ({"counts": counts} if self.path == "/v1" else {}))

    def _answer(self, status: int, body: Object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

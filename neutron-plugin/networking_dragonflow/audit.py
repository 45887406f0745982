"""Compares what Neutron has with what servers have, by revision and digest, and pushes what differs.

What has changed lately is compared every few seconds, so that what was lost with a process heals soon; everything at a
lower rate. What servers have and Neutron has not, they delete themselves after a minute.
"""

import dataclasses
import datetime
import queue
import threading
import time
from typing import Any, Protocol

from oslo_log import log
from oslo_utils import timeutils

from networking_dragonflow import database, objects
from networking_dragonflow.server import RefusedError, UnavailableError

LOG = log.getLogger(__name__)

_PAGE = 500
_RECENT = 2000
_BATCH = 200
_TICK = 1.0


class Compares(Protocol):
    """A client of servers."""

    def audit(self, page: dict[str, Any]) -> dict[str, Any]:
        """Compare a page."""

    def audited(self, audit: str, pushed: int, error: str) -> None:
        """Tell that an audit that was asked for is done."""

    def push(self, changes: list[objects.Object]) -> list[objects.Object]:
        """Push changes and return what became of each."""


class Auditor:
    """Compares and repairs. Everything but ask is for one thread."""

    def __init__(self, server: Compares, recent: float, full: float) -> None:
        """Compare with server what has changed lately every recent seconds, and everything every full seconds."""
        self._server, self._recent, self._full = server, recent, full
        self._asked: queue.Queue[dict[str, Any]] = queue.Queue()

    def ask(self, asked: dict[str, Any]) -> None:
        """Have an audit made soon that somebody asked a server for. Any thread may call it."""
        self._asked.put(asked)

    def run(self, stop: threading.Event) -> None:
        """Audit until stop."""
        failing = False
        next_recent = next_full = time.monotonic()
        while not stop.is_set():
            try:
                self._answer()
                now = time.monotonic()
                if now >= next_full:
                    next_full, next_recent = now + self._full, now + self._recent
                    self.everything()
                elif now >= next_recent:
                    next_recent = now + self._recent
                    self.recent()
                failing = False
            except (UnavailableError, RefusedError) as e:
                if not failing:
                    LOG.warning("dragonflow: no server compares, trying on: %s", e)
                failing, next_full = True, min(next_full, time.monotonic() + self._recent)
            except Exception:  # one bad moment of the database must not end it
                LOG.exception("dragonflow: comparing failed")
            stop.wait(_TICK)

    def everything(self, audit: str | None = None, *, fix: bool = True) -> int:
        """Compare everything, for the audit if one is named, and return how many objects were pushed."""
        pushed = 0
        for kind in database.served():
            after = ""
            while True:
                until = database.last(kind, after, _PAGE)
                page = {"kind": kind, "after": after, "until": until, "partial": False}
                listed = database.page(kind, after, until)
                pushed += self._compare(page | ({"audit": audit} if audit else {}), listed, fix=fix)
                if not until:
                    break
                after = until
        return pushed

    def recent(self) -> int:
        """Compare what has changed lately, and return how many objects were pushed."""
        since = timeutils.utcnow() - datetime.timedelta(seconds=max(60.0, 2 * self._recent))
        pushed = 0
        for kind in database.served():
            changed = database.recent(kind, since, _RECENT)
            if changed:
                pushed += self._compare({"kind": kind, "after": "", "until": "", "partial": True}, changed, fix=True)
        return pushed

    def _answer(self) -> None:
        while True:
            try:
                asked = self._asked.get_nowait()
            except queue.Empty:
                return
            try:
                pushed = self.everything(asked["id"], fix=bool(asked.get("fix")))
            except (UnavailableError, RefusedError):
                raise
            except Exception as e:  # whoever asked has to hear it
                self._server.audited(asked["id"], 0, str(e))
                raise
            self._server.audited(asked["id"], pushed, "")

    def _compare(self, page: dict[str, Any], listed: list[objects.Change], *, fix: bool) -> int:
        answer = self._server.audit(
            page | {"objects": [{"id": c.id, "revision": c.revision, "digest": c.digest} for c in listed]}
        )
        kind = page["kind"]
        if answer.get("deleted"):
            LOG.warning("dragonflow: deleted from Dragonflow, as Neutron has them not: %s %s", kind, answer["deleted"])
        wanted: dict[str, str | None] = dict.fromkeys(answer.get("missing") or [])
        wanted |= {differing["id"]: differing.get("generation") for differing in answer.get("differ") or []}
        if not wanted or not fix:
            return 0
        return self._repair(kind, wanted)

    def _repair(self, kind: str, wanted: dict[str, str | None]) -> int:
        ids = list(wanted)
        pushed = 0
        for start in range(0, len(ids), _BATCH):
            found = database.read((kind, id_) for id_ in ids[start : start + _BATCH])
            changes = [dataclasses.replace(c, generation=wanted[c.id]) for c in found.values()]
            if not changes:
                continue
            LOG.info("dragonflow: pushing %d of the kind %s that differed", len(changes), kind)
            for change, result in zip(changes, self._server.push([c.wire() for c in changes]), strict=True):
                pushed += result.get("outcome") in ("stored", "same")
                if result.get("outcome") == "refused":
                    LOG.error("dragonflow: the server refuses %s %s: %s", kind, change.id, result.get("message"))
        return pushed

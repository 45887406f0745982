"""Compares what Neutron has with what servers have, by revision and digest, and pushes what differs.

What has changed lately is compared every few seconds, so that what was lost with a process heals soon; everything at a
lower rate. What servers have and Neutron has not, since whoever deleted it died before telling, shows in the numbers of
objects, and is deleted when a second look at Neutron's database does not find it either.
"""

import dataclasses
import datetime
import threading
import time
from typing import Any, Protocol

from oslo_log import log
from oslo_utils import timeutils

from networking_dragonflow import database, objects
from networking_dragonflow.server import RefusedError, UnavailableError

LOG = log.getLogger(__name__)

_PAGE = 500
_IDS = 5000
_RECENT = 2000
_BATCH = 200
_TICK = 1.0
_DOUBT = 10.0  # seconds between the two looks: a database of several nodes may lag for a moment
_WAIT = 5


class Compares(Protocol):
    """A client of servers."""

    def audit(self, page: dict[str, Any]) -> dict[str, Any]:
        """Compare a page."""

    def counts(self) -> dict[str, int]:
        """Return how many objects of each kind there are."""

    def push(self, changes: list[objects.Object]) -> list[objects.Object]:
        """Push changes and return what became of each."""


class Auditor:
    """Compares and repairs. For one thread."""

    def __init__(self, server: Compares, recent: float, full: float) -> None:
        """Compare with server what has changed lately every recent seconds, and everything every full seconds."""
        self._server, self._recent, self._full = server, recent, full
        # What servers had and Neutron had not: of which generation it was there, and when that was found.
        self._absent: dict[tuple[str, str], tuple[str, float]] = {}

    def run(self, stop: threading.Event) -> None:
        """Audit until stop."""
        failing = False
        next_recent = next_full = time.monotonic()
        while not stop.is_set():
            try:
                now = time.monotonic()
                if now >= next_full:
                    next_full, next_recent = now + self._full, now + self._recent
                    self.everything()
                elif now >= next_recent:
                    next_recent = now + self._recent
                    self.recent()
                    self.surplus()
                self.withdraw(_DOUBT)
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

    def surplus(self) -> None:
        """Look for what servers have and Neutron has not, of those kinds of which they have more objects."""
        counts = self._server.counts()
        for kind in database.served():
            if counts.get(kind, 0) <= database.count(kind):
                continue
            until = ""
            while True:
                after, listed = until, database.ids(kind, until, _IDS)
                until = listed[-1] if len(listed) == _IDS else ""
                page = {"kind": kind, "after": after, "until": until, "partial": False, "bare": True}
                self._note(kind, self._server.audit(page | {"objects": [{"id": id_} for id_ in listed]}))
                if not until:
                    break

    def withdraw(self, doubt: float) -> None:
        """Delete what has been absent from Neutron for that many seconds, and still is."""
        now = time.monotonic()
        due = {key: generation for key, (generation, since) in self._absent.items() if now - since >= doubt}
        for key in due:
            del self._absent[key]
        gone = due.keys() - database.read(due).keys() if due else ()
        changes = [objects.absent(*key, due[key]) for key in sorted(gone)]
        for start in range(0, len(changes), _BATCH):
            batch = changes[start : start + _BATCH]
            for change, result in zip(batch, self._server.push([c.wire() for c in batch]), strict=True):
                if result.get("outcome") == "deleted":
                    LOG.warning("dragonflow: deleted %s %s, which Neutron has not", change.kind, change.id)

    def _note(self, kind: str, answer: dict[str, Any]) -> None:
        for absent in answer.get("absent") or []:
            key, generation = (kind, absent["id"]), absent["generation"]
            if self._absent.get(key, ("", 0))[0] != generation:
                self._absent[key] = (generation, time.monotonic())

    def _compare(self, page: dict[str, Any], listed: list[objects.Change], *, fix: bool) -> int:
        answer = self._server.audit(
            page | {"objects": [{"id": c.id, "revision": c.revision, "digest": c.digest} for c in listed]}
        )
        kind = page["kind"]
        if fix:
            self._note(kind, answer)
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


class Asks(Compares, Protocol):
    """A client of one server, of which somebody may ask an audit."""

    def status(self, cursor: str | None, wait: int) -> dict[str, Any]:
        """Return what has changed since the cursor."""

    def audited(self, audit: str, pushed: int, error: str) -> None:
        """Tell that an audit that was asked for is done."""


class Asked:
    """Makes the audits that somebody asks one server for, with that server. For one thread.

    Only the server that was asked can tell what was found, and it need not be the one that is listened to otherwise.
    """

    def __init__(self, server: Asks) -> None:
        """Answer to server."""
        self._server = server
        self._auditor = Auditor(server, 0, 0)
        self._cursor: str | None = None

    def run(self, stop: threading.Event) -> None:
        """Answer until stop."""
        while not stop.is_set():
            try:
                self.hear()
                continue
            except (UnavailableError, RefusedError):
                pass  # whoever asked sees it, and others tell of servers that are away
            except Exception:  # one bad moment of the database must not end it
                LOG.exception("dragonflow: an audit that was asked for failed")
            stop.wait(_TICK)

    def hear(self) -> None:
        """Make the audits that are asked for, waiting for one for a while."""
        news = self._server.status(self._cursor, _WAIT)
        for asked in news.get("audits") or []:
            try:
                pushed = self._auditor.everything(asked["id"], fix=bool(asked.get("fix")))
            except (UnavailableError, RefusedError):
                raise
            except Exception as e:  # whoever asked has to hear it
                self._server.audited(asked["id"], 0, str(e))
                raise
            self._server.audited(asked["id"], pushed, "")
        self._cursor = news.get("cursor")

"""What waits to be pushed: in memory, for each object only its newest state, in the order in which objects came.

Each process of Neutron has one, with one thread that empties it, so that it never pushes the states of an object
out of order; between processes revisions decide. While no server answers it keeps what comes and tries again.
"""

import atexit
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Protocol

from oslo_log import log

from networking_dragonflow import objects
from networking_dragonflow.server import RefusedError, UnavailableError

LOG = log.getLogger(__name__)

Key = tuple[str, str]

BATCH = 200
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_FAREWELL = 2.0
_REREADS = 5


class Pushes(Protocol):
    """A client of servers."""

    def push(self, changes: list[objects.Object]) -> list[objects.Object]:
        """Push changes and return what became of each."""

    def close(self) -> None:
        """Close the connection."""


class Touch:
    """Stands in the journal for an object that is read from the database when its turn comes. Each is itself only."""


Entry = objects.Change | Touch

# Reads what Neutron's database has of objects now, by key; what is not there has no entry.
Read = Callable[[list[Key]], dict[Key, objects.Change]]


class Journal:
    """The journal of this process. Its methods may be called by any thread.

    An object's last entry counts, unless it is older by its revision.
    """

    def __init__(self, connect: Callable[[], Pushes], read: Read, limit: int) -> None:
        """Make an empty journal, for this process only. Its thread starts with the first entry."""
        self._connect, self._read, self._limit = connect, read, limit
        self._condition = threading.Condition()
        self._pending: dict[Key, Entry] = {}
        self._generations: dict[Key, tuple[str, int]] = {}
        self._full = False
        self._busy = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, change: objects.Change) -> None:
        """Have a change pushed."""
        self._add((change.kind, change.id), change)

    def touch(self, kind: str, id_: str) -> None:
        """Have an object pushed as the database has it then."""
        self._add((kind, id_), Touch())

    def wait_empty(self, seconds: float) -> bool:
        """Wait until everything is pushed, and tell whether it is."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._pending and not self._busy, seconds)

    def close(self) -> None:
        """Push what is there if a server takes it soon, and end the thread."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self.wait_empty(_FAREWELL)

    def _add(self, key: Key, entry: Entry) -> None:
        with self._condition:
            self._start()
            if key not in self._pending and len(self._pending) >= self._limit:
                if not self._full:
                    self._full = True
                    LOG.warning(
                        "dragonflow: %d objects wait to be pushed; the audit pushes what comes now", self._limit
                    )
                return
            if not _outdated(entry, self._pending.get(key)):
                self._pending[key] = entry
            self._condition.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dragonflow-journal", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _run(self) -> None:
        server = self._connect()
        pause = 0.0
        while self._take_turn(pause):
            try:
                done = self._push(server)
            except UnavailableError as e:
                if not pause:
                    LOG.warning("dragonflow: no server takes what Neutron has, trying on: %s", e)
                done = False
            except Exception:  # whatever is wrong with one batch, the thread must go on
                LOG.exception("dragonflow: pushing failed")
                done = False
            if done and pause:
                LOG.info("dragonflow: a server takes what Neutron has again")
            if self._closing and not done:
                break
            pause = 0.0 if done else min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        server.close()

    def _take_turn(self, pause: float) -> bool:
        deadline = time.monotonic() + pause
        with self._condition:
            self._busy = False
            self._condition.notify_all()
            while (left := deadline - time.monotonic()) > 0 and not self._closing:
                self._condition.wait(left)
            self._condition.wait_for(lambda: self._pending or self._closing)
            self._busy = bool(self._pending)
            return self._busy

    def _push(self, server: Pushes) -> bool:
        """Push the first entries; tell whether everything of them is settled. Entries stay until then."""
        with self._condition:
            batch = dict(list(self._pending.items())[:BATCH])
        changes = self._resolve(batch)
        again = [change for change, result in self._send(server, changes) if self._again(change, result)]
        with self._condition:
            for key, entry in batch.items():
                if self._pending.get(key) is entry:
                    del self._pending[key]
            for change in again:
                self._pending.setdefault((change.kind, change.id), Touch())
            self._full = self._full and len(self._pending) >= self._limit
        return True

    def _send(self, server: Pushes, changes: list[objects.Change]) -> list[tuple[objects.Change, objects.Object]]:
        if not changes:
            return []
        try:
            return list(zip(changes, server.push([change.wire() for change in changes]), strict=True))
        except RefusedError as e:
            # Something makes the request as a whole unreadable, or too large: each by itself, then.
            if len(changes) > 1:
                return [pair for change in changes for pair in self._send(server, [change])]
            return [(changes[0], {"outcome": "refused", "message": str(e)})]

    def _resolve(self, batch: dict[Key, Entry]) -> list[objects.Change]:
        wanted = [key for key, entry in batch.items() if isinstance(entry, Touch)]
        found = self._read(wanted) if wanted else {}
        changes = []
        for key, entry in batch.items():
            # Deletions are told by those who delete: an object that is not found may be one that another
            # transaction has yet to commit.
            change = found.get(key) if isinstance(entry, Touch) else entry
            if change is None:
                continue
            if isinstance(entry, Touch) and key in self._generations:
                change = dataclasses.replace(change, generation=self._generations[key][0])
            changes.append(change)
        return changes

    def _again(self, change: objects.Change, result: objects.Object) -> bool:
        """Take note of a result, and tell whether the object has to be read and pushed once more."""
        key, outcome = (change.kind, change.id), result.get("outcome")
        if outcome == "reread":
            tries = self._generations.get(key, ("", 0))[1] + 1
            if tries <= _REREADS:
                self._generations[key] = (str(result.get("generation", "")), tries)
                return True
            LOG.warning("dragonflow: %s %s changes faster than it can be read; the audit goes on", *key)
        self._generations.pop(key, None)
        if outcome == "refused":
            LOG.error("dragonflow: the server refuses %s %s: %s", *key, result.get("message"))
        elif outcome == "gone" and self._read([key]):
            LOG.error("dragonflow: %s %s is in Neutron, but was deleted in Dragonflow", *key)
        return False


def _outdated(entry: Entry, before: Entry | None) -> bool:
    if before is None:
        return False
    if isinstance(before, objects.Change) and before.body is None:
        return True  # Neutron gives no id twice: what is deleted stays deleted
    if isinstance(entry, Touch) or entry.body is None:
        return False
    return isinstance(before, Touch) or entry.revision < before.revision

"""The way of this process to the servers: one journal, made when it is first needed."""

import functools
import os
from typing import Any

from oslo_config import cfg

from networking_dragonflow import database, journal, objects, settings
from networking_dragonflow.server import Credentials, Server


def connect(*urls: str) -> Server:
    """Return a client of the servers at these addresses, or of those that the settings name."""
    conf = settings.register()
    return Server(list(urls) or conf.server, Credentials(conf.ca_file, conf.cert_file, conf.key_file), conf.timeout)


def _journal() -> journal.Journal:
    # After a fork it has to be another: the thread, and who held its lock, stayed behind.
    return _journal_of(os.getpid())


@functools.cache
def _journal_of(process: int) -> journal.Journal:  # noqa: ARG001
    return journal.Journal(connect, database.read, settings.register(cfg.CONF).journal_limit)


def store(kind: str, shown: dict[str, Any]) -> None:
    """Have servers store an object as Neutron shows it."""
    _journal().put(objects.stored(kind, shown))


def touch(kind: str, id_: str) -> None:
    """Have servers store an object as the database has it in a moment."""
    _journal().touch(kind, id_)


def push(change: objects.Change) -> None:
    """Have a change pushed."""
    _journal().put(change)


def delete(kind: str, id_: str, revision: int = 0) -> None:
    """Have servers delete an object."""
    _journal().put(objects.deleted(kind, id_, revision))

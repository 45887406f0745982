"""Tells the backend of what a transaction changed when it is committed, and of nothing that is rolled back.

Neutron publishes some events of what has happened within transactions that are still open: what is read then is of
before, and what is deleted then may yet come back. And of inactive bindings of ports, which prepare for a live
migration, it tells drivers nothing at all, nor of tags, nor of logs that are off: they are noticed where they are
written.
"""

from collections.abc import Callable
from typing import Any

from neutron.db.models import l3 as l3_models
from neutron.db.models import loggingapi as log_models
from neutron.db.models import tag as tag_models
from neutron.plugins.ml2 import models
from neutron_lib import constants
from neutron_lib import context as neutron_context
from neutron_lib.db import api as db_api
from sqlalchemy import orm

from networking_dragonflow import backend, objects

_NOTED = "dragonflow-noted"


def subscribe() -> None:
    """Follow the sessions of this process."""
    db_api.sqla_listen(orm.Session, "after_flush", _flushed)
    db_api.sqla_listen(orm.Session, "after_commit", _committed)
    db_api.sqla_listen(orm.Session, "after_rollback", _forgotten)


def touch(context: Any, kind: str, id_: str) -> None:
    """Have servers store an object as the database has it after the transaction of a request, if it is in one."""
    _when_committed(context, backend.touch, kind, id_)


def delete(context: Any, kind: str, id_: str) -> None:
    """Have servers delete an object after the transaction of a request, if it is in one."""
    _when_committed(context, backend.delete, kind, id_)


def _when_committed(context: Any, tell: Callable[[str, str], None], kind: str, id_: str) -> None:
    if db_api.is_session_active(context.session):
        _note(context.session, tell, kind, id_)
    else:
        tell(kind, id_)


def _note(session: Any, tell: Callable[[str, str], None], kind: str, id_: str) -> None:
    session.info.setdefault(_NOTED, {})[(tell, kind, id_)] = None  # a dictionary keeps the order


def _flushed(session: Any, flush_context: Any) -> None:  # noqa: ARG001
    for log in (*session.new, *session.dirty):
        if isinstance(log, log_models.Log):
            _note(session, backend.touch, objects.LOG, log.id)
    for log in session.deleted:
        if isinstance(log, log_models.Log):
            _note(session, backend.delete, objects.LOG, log.id)
    for changed in (*session.new, *session.dirty, *session.deleted):
        if isinstance(changed, models.PortBinding) and changed.status == constants.INACTIVE:
            _note(session, backend.touch, objects.PORT, changed.port_id)
        elif isinstance(changed, tag_models.Tag) and changed.tag == objects.DISTRIBUTED_SNAT:
            _note(session, _touch_tagged, objects.ROUTER, changed.standard_attr_id)


def _touch_tagged(kind: str, attributes: Any) -> None:
    """Touch the router of these standard attributes, if they are a router's."""
    context = neutron_context.get_admin_context()
    with db_api.CONTEXT_READER.using(context):
        router = context.session.query(l3_models.Router.id).filter_by(standard_attr_id=attributes).first()
    if router:
        backend.touch(kind, router.id)


def _committed(session: Any) -> None:
    for tell, kind, id_ in session.info.pop(_NOTED, ()):
        tell(kind, id_)


def _forgotten(session: Any) -> None:
    session.info.pop(_NOTED, None)

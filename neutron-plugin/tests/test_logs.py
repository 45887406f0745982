"""Logs: what is offered is what chassis log, and every change is pushed when it is committed, and only then."""

from collections.abc import Iterator

import pytest
from neutron.db.models import loggingapi
from neutron.services.logapi.common import validators
from sqlalchemy import create_engine, orm

from networking_dragonflow import backend, commits, logs, objects

ID = "00000000-0000-0000-0000-0000000000aa"


@pytest.fixture
def session() -> Iterator[orm.Session]:
    engine = create_engine("sqlite://")
    loggingapi.model_base.BASEV2.metadata.create_all(engine)
    with orm.Session(engine) as session:
        yield session


def test_security_groups_alone_are_logged() -> None:
    driver = logs.DragonflowLogDriver()
    assert driver.is_logging_type_supported("security_group")
    assert not driver.is_logging_type_supported("snat")
    assert "security_group" in validators.ResourceValidateRequest.get_instance().validate_methods_map


def test_what_is_committed_is_pushed(monkeypatch: pytest.MonkeyPatch, session: orm.Session) -> None:
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(backend, "touch", lambda kind, id_: told.append(("touch", kind, id_)))
    monkeypatch.setattr(backend, "delete", lambda kind, id_: told.append(("delete", kind, id_)))
    commits.subscribe()
    log = loggingapi.Log(id=ID, resource_type="security_group", event="ALL", enabled=False)
    session.add(log)
    session.flush()
    assert told == []
    session.commit()
    assert told == [("touch", "log", ID)]
    log.name = "another"
    session.flush()
    session.rollback()
    assert len(told) == 1
    session.delete(log)
    session.commit()
    assert told[1:] == [("delete", "log", ID)]


def test_a_log_is_what_chassis_read() -> None:
    shown = {
        "id": ID,
        "project_id": "p",
        "name": "",
        "description": "of no interest",
        "resource_type": "security_group",
        "resource_id": None,
        "target_id": "q",
        "event": "DROP",
        "enabled": False,
        "revision_number": 3,
    }
    change = objects.stored(objects.LOG, shown)
    assert change.revision == 3
    assert change.body == {
        "id": ID,
        "project_id": "p",
        "resource_type": "security_group",
        "target_id": "q",
        "event": "DROP",
        "enabled": False,
    }

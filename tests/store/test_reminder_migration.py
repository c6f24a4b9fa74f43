"""Items that were there before reminders were told are told of after the upgrade, and looked up in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import CalendarTime, OccurrenceException
from rookery.v1.item_pb2 import Item
from rookery_core.rules import reminders
from rookery_server.services.items import item_writer
from rookery_server.store import migrate
from rookery_server.store.tables import NO_TIME

if TYPE_CHECKING:
    import pathlib

MAIL, APPOINTMENT, TASK = item_pb2.ITEM_KIND_MESSAGE, item_pb2.ITEM_KIND_APPOINTMENT, item_pb2.ITEM_KIND_TASK
NEW = 1_770_000_000  # 2026-02-02
MINUTE = 60_000_000


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> sa.Engine:
    """A database as it was before reminders were told."""
    config = migrate._config()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006_task_list")
        connection.commit()
    return engine


def row(number: int, item: Item, reminder: int) -> dict[str, Any]:
    """The row of an item, with the column as it was."""
    columns = {**item_writer.summary_columns(item.summary), **item_writer.state_columns(item.summary, item.state)}
    revisions = dict.fromkeys(("uid", "created", "content", "state_revision", "place", "revision"), number)
    return {
        **columns,
        **revisions,
        "mailbox_id": 1,
        "id": bytes([number]) * 16,
        "folder_id": bytes(16),
        "life": 1,
        "reminder": reminder,
    }


def appointment(start: str, zone: str = "Europe/Berlin", *rules: str, minutes: int | None = 15, **fields: Any) -> Item:
    item = Item()
    item.summary.kind = APPOINTMENT
    item.summary.received.seconds = NEW
    found = item.summary.appointment
    found.start.CopyFrom(CalendarTime(local=start, time_zone=zone))
    found.end.CopyFrom(found.start)
    found.recurrence.rules.extend(rules)
    for name, value in fields.items():
        setattr(found, name, value)
    if minutes is not None:
        found.reminder_minutes = minutes
    return item


def flagged(kind: item_pb2.ItemKind.ValueType, status: item_pb2.FlagStatus.ValueType) -> Item:
    item = appointment("2026-03-02T09:00:00", minutes=None) if kind == APPOINTMENT else Item()
    item.summary.kind = kind
    item.state.follow_up.status = status
    item.state.follow_up.reminder.seconds = NEW
    return item


def task() -> Item:
    item = Item()
    item.summary.kind = TASK
    item.summary.task.reminder.seconds = NEW
    return item


def with_exception() -> Item:
    item = appointment("2026-03-02T09:00:00", "Europe/Berlin", "FREQ=DAILY", minutes=None)
    original = CalendarTime(local="2026-03-05T09:00:00", time_zone="Europe/Berlin")
    item.summary.appointment.exceptions.append(OccurrenceException(original_start=original, reminder_minutes=30))
    return item


def test_what_was_there_is_looked_up_in_time(engine: sa.Engine) -> None:
    telling = [
        appointment("2026-03-02T09:00:00"),
        appointment("2026-03-02T09:00:00", ""),
        appointment("2026-03-02", ""),
        appointment("2020-03-02T09:00:00", "Europe/Berlin", "FREQ=WEEKLY"),
        with_exception(),
        task(),
        flagged(MAIL, item_pb2.FLAG_STATUS_FLAGGED),
        flagged(APPOINTMENT, item_pb2.FLAG_STATUS_FLAGGED),
    ]
    silent = [
        appointment("2026-03-02T09:00:00", minutes=None),
        appointment("2020-03-02T09:00:00"),
        appointment("2026-03-02T09:00:00", status=3),
        flagged(MAIL, item_pb2.FLAG_STATUS_COMPLETED),
        flagged(APPOINTMENT, item_pb2.FLAG_STATUS_COMPLETED),
    ]
    rows = [row(number, item, NEW * 1_000_000) for number, item in enumerate([*telling, *silent], 1)]
    with engine.begin() as connection:
        connection.execute(sa.insert(sa.Table("item", sa.MetaData(), autoload_with=connection)), rows)
    migrate.upgrade(str(engine.url))
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT reminder FROM item ORDER BY id")).scalars().all()
    for bound, item in zip(found, telling, strict=False):
        earliest = reminders.earliest(item.summary, item.state)
        assert earliest is not None and NO_TIME < bound <= earliest
    assert found[0] == reminders.earliest(telling[0].summary, telling[0].state)
    assert found[len(telling) :] == [NO_TIME] * len(silent)
    engine.dispose()

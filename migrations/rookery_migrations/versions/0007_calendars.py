"""Calendars: their settings, members of groups, published calendars, reminders that are due.

Revision ID: 0007_calendars
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from rookery.v1.item_pb2 import ItemSummary
from rookery_migrations.columns import BYTES, HASH, ID, NUMBER, column, where

revision = "0007_calendars"
down_revision = "0006_task_list"
branch_labels = None
depends_on = None

_NO_TIME = -(1 << 62)
_APPOINTMENT, _TASK = 2, 3
_FLAGGED, _CANCELLED = 1, 3
"""The status of a follow-up flag; that of an appointment."""
_HOUR = 3_600_000_000
_UNCERTAIN, _SLACK = 26 * _HOUR, 48 * _HOUR
"""How much earlier a date may begin than in UTC, and more; how much later one may end, and more."""
_AT_ONCE = 500


def upgrade() -> None:
    """Adds the column, the tables and the indexes; says of what is there from when on it may have a reminder."""
    op.add_column("mailbox", column("calendar_settings", BYTES, nullable=True))
    op.create_table(
        "group_member",
        column("account_id", ID),
        column("member_id", ID),
        sa.PrimaryKeyConstraint("account_id", "member_id", name="pk_group_member"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_group_member_account_id"),
        sa.ForeignKeyConstraint(["member_id"], ["account.id"], name="fk_group_member_member_id"),
    )
    op.create_index("ix_group_member_member_id", "group_member", ["member_id"])
    op.create_table(
        "published_calendar",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("folder_id", ID),
        column("secret_sha256", HASH),
        column("detail", sa.SmallInteger()),
        column("created", NUMBER),
        column("last_fetched", NUMBER, nullable=True),
        sa.PrimaryKeyConstraint("mailbox_id", "id", name="pk_published_calendar"),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_published_calendar_mailbox_id"),
    )
    op.create_index("uq_published_calendar_secret_sha256", "published_calendar", ["secret_sha256"], unique=True)
    span = ["mailbox_id", "folder_id", "span_end", "span_start", "id", "content"]
    op.create_index("ix_item_calendar", "item", span, **where("life = 1 AND kind = 2"))
    _set_reminders(op.get_bind())
    op.create_index("ix_item_reminder", "item", ["mailbox_id", "reminder"], **where(f"life = 1 AND reminder > {-(1 << 62)}"))


def _set_reminders(connection: sa.Connection) -> None:
    """The column was the reminder of the first occurrence; now it is a time before which none is to be shown."""
    item = sa.table(
        "item",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("kind", sa.SmallInteger()),
        column("flag_status", sa.SmallInteger()),
        column("span_start", NUMBER),
        column("span_end", NUMBER),
        column("received", NUMBER),
        column("reminder", NUMBER),
        column("summary", BYTES),
    )
    done = sa.and_(item.c.kind.not_in([_APPOINTMENT, _TASK]), item.c.flag_status != _FLAGGED, item.c.reminder > _NO_TIME)
    connection.execute(sa.update(item).where(done).values(reminder=_NO_TIME))
    known = (item.c.mailbox_id, item.c.id, item.c.flag_status, item.c.span_start, item.c.span_end, item.c.received, item.c.summary)
    appointments = connection.execute(sa.select(*known).where(item.c.kind == _APPOINTMENT)).fetchall()
    this = sa.and_(item.c.mailbox_id == sa.bindparam("mailbox"), item.c.id == sa.bindparam("item"))
    statement = sa.update(item).where(this).values(reminder=sa.bindparam("earliest"))
    for begin in range(0, len(appointments), _AT_ONCE):
        some = [(row, ItemSummary.FromString(row.summary)) for row in appointments[begin : begin + _AT_ONCE]]
        rows = [
            {"mailbox": row.mailbox_id, "item": row.id, "earliest": _earliest(row, minutes, summary)}
            for row, summary in some
            if (minutes := _minutes(summary)) or row.flag_status != _FLAGGED
        ]
        if rows:
            connection.execute(statement, rows)


def _minutes(summary: ItemSummary) -> list[int]:
    """The minutes before its start, and before those of its exceptions, of an appointment that stands."""
    appointment = summary.appointment
    if appointment.status == _CANCELLED:
        return []
    reminding: list[Any] = [appointment, *appointment.exceptions]
    return [each.reminder_minutes for each in reminding if each.HasField("reminder_minutes")]


def _earliest(row: Any, minutes: list[int], summary: ItemSummary) -> int:
    if not minutes or row.span_start == _NO_TIME or row.span_end + _SLACK <= row.received:
        return _NO_TIME
    timed: list[Any] = [summary.appointment, *summary.appointment.exceptions]
    local = not all(each.start.time_zone for each in timed if each.HasField("start"))
    earliest: int = row.span_start - max(minutes) * 60_000_000 - (_UNCERTAIN if local else 0)
    return earliest

"""The list of tasks: how an item stands in it, and the order by due time.

Revision ID: 0006_task_list
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery.v1.item_pb2 import ItemSummary
from rookery_migrations.columns import BYTES, ID, NUMBER, column, where

revision = "0006_task_list"
down_revision = "0005_incoming"
branch_labels = None
depends_on = None

_TASK = 3
_OVER = {3, 6}
"""A task's status: completed, cancelled."""
_OPEN, _DONE = 1, 2
"""The values of the column; those of a flag's status are the same."""
_AT_ONCE = 500


def upgrade() -> None:
    """Adds the column, fills it for what is there, and makes the index."""
    op.add_column("item", column("to_do", sa.SmallInteger(), nullable=True))
    item = sa.table(
        "item",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("kind", sa.SmallInteger()),
        column("flag_status", sa.SmallInteger()),
        column("to_do", sa.SmallInteger()),
        column("summary", BYTES),
    )
    connection = op.get_bind()
    flagged = sa.and_(item.c.kind != _TASK, item.c.flag_status.in_([_OPEN, _DONE]))
    connection.execute(sa.update(item).where(flagged).values(to_do=item.c.flag_status))
    tasks = connection.execute(sa.select(item.c.mailbox_id, item.c.id, item.c.summary).where(item.c.kind == _TASK)).fetchall()
    this = sa.and_(item.c.mailbox_id == sa.bindparam("mailbox"), item.c.id == sa.bindparam("item"))
    for begin in range(0, len(tasks), _AT_ONCE):
        rows = [
            {"mailbox": mailbox, "item": item_id, "standing": _standing(ItemSummary.FromString(summary))}
            for mailbox, item_id, summary in tasks[begin : begin + _AT_ONCE]
        ]
        connection.execute(sa.update(item).where(this).values(to_do=sa.bindparam("standing")), rows)
    op.create_index("ix_item_to_do", "item", ["mailbox_id", "to_do", "due"], **where("to_do IS NOT NULL"))


def _standing(summary: ItemSummary) -> int:
    return _DONE if summary.task.status in _OVER else _OPEN

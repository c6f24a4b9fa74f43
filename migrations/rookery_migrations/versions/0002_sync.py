"""Synchronisation: what departures and conflicts need to tell, what backup a mailbox was restored from, and an index of new mail.

Revision ID: 0002_sync
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery_migrations.columns import BYTES, NUMBER, column

revision = "0002_sync"
down_revision = "0001_ground_floor"
branch_labels = None
depends_on = None

_ZERO = sa.text("0")


def upgrade() -> None:
    """Adds the columns, where what was there before counts as old, and as never restored; and the index."""
    op.add_column("departure", column("created", NUMBER, server_default=_ZERO))
    op.add_column("conflict", column("summary", BYTES, server_default=sa.text("''")))
    op.add_column("mailbox", column("backup_revision", NUMBER, server_default=_ZERO))
    op.add_column("mailbox", column("backup_time", NUMBER, server_default=_ZERO))
    op.create_index(
        "ix_item_unread",
        "item",
        ["mailbox_id", "created", "id"],
        sqlite_where=sa.text("life = 1 AND kind = 1 AND is_read = 0"),
        postgresql_where=sa.text("life = 1 AND kind = 1 AND NOT is_read"),
    )

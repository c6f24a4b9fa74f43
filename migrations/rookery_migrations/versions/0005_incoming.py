"""Messages that came in are known again, so that each is delivered once.

Revision ID: 0005_incoming
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery_migrations.columns import ID, NUMBER, column

revision = "0005_incoming"
down_revision = "0004_mail_sync"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "incoming_delivery",
        column("mailbox_id", NUMBER),
        column("digest", ID),
        column("received", NUMBER),
        sa.PrimaryKeyConstraint("mailbox_id", "digest", name="pk_incoming_delivery"),
    )
    op.create_index("ix_incoming_delivery_received", "incoming_delivery", ["received"])

"""Submissions are found by revision and know their reports; keys for DKIM.

Revision ID: 0004_mail_sync
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery_migrations.columns import BYTES, ID, NUMBER, column, string

revision = "0004_mail_sync"
down_revision = "0003_mail"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds an index and a column, and makes a table."""
    op.create_index("ix_submission_revision", "submission", ["mailbox_id", "revision", "id"])
    op.add_column("outgoing_recipient", column("report_item_id", ID, nullable=True))
    op.create_table(
        "dkim_key",
        column("domain", string(255)),
        column("selector", string(255)),
        column("algorithm", sa.SmallInteger()),
        column("private_key", BYTES),
        column("active", sa.Boolean()),
        column("created", NUMBER),
        sa.ForeignKeyConstraint(["domain"], ["domain.name"], name="fk_dkim_key_domain"),
        sa.PrimaryKeyConstraint("domain", "selector", name="pk_dkim_key"),
    )

"""Mail on its way out: submissions and the queue of their recipients.

Revision ID: 0003_mail
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery_migrations.columns import ID, NUMBER, TEXT, column, string, where

revision = "0003_mail"
down_revision = "0002_sync"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the two tables."""
    _create_submissions()
    _create_recipients()


def _create_submissions() -> None:
    op.create_table(
        "submission",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("item_id", ID),
        column("origin_id", ID),
        column("revision", NUMBER),
        column("state", sa.SmallInteger()),
        column("sender", string(320)),
        column("submitted", NUMBER),
        column("hold_until", NUMBER, nullable=True),
        column("blob_id", ID, nullable=True),
        column("size_bytes", NUMBER),
        column("eight_bit", sa.Boolean()),
        column("unicode_header", sa.Boolean()),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name="fk_submission_blob_id"),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_submission_mailbox_id"),
        sa.PrimaryKeyConstraint("mailbox_id", "id", name="pk_submission"),
    )
    op.create_index("ix_submission_blob_id", "submission", ["blob_id"])
    op.create_index("ix_submission_item", "submission", ["mailbox_id", "item_id"])
    op.create_index("ix_submission_list", "submission", ["mailbox_id", "submitted", "id"])
    op.create_index("ix_submission_submitted", "submission", ["submitted"])


def _create_recipients() -> None:
    op.create_table(
        "outgoing_recipient",
        column("mailbox_id", NUMBER),
        column("submission_id", ID),
        column("position", sa.Integer()),
        column("name", TEXT),
        column("address", string(320)),
        column("domain", string(255)),
        column("state", sa.SmallInteger()),
        column("attempts", sa.Integer()),
        column("ambiguous", sa.Integer()),
        column("queued", NUMBER),
        column("next_attempt", NUMBER, nullable=True),
        column("lease_owner", ID, nullable=True),
        column("host", TEXT),
        column("reply", TEXT),
        column("status_code", string(11)),
        column("changed", NUMBER),
        column("delay_told", sa.Boolean()),
        column("report", sa.SmallInteger()),
        sa.PrimaryKeyConstraint("mailbox_id", "submission_id", "position", name="pk_outgoing_recipient"),
    )
    op.create_index(
        "ix_outgoing_recipient_due", "outgoing_recipient", ["domain", "next_attempt"], **where("next_attempt IS NOT NULL")
    )
    op.create_index("ix_outgoing_recipient_report", "outgoing_recipient", ["mailbox_id"], **where("report > 0"))

"""The ground floor: accounts, mailboxes, folders, items, blobs, the ledger of operations, and the full-text index.

Revision ID: 0001_ground_floor
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from rookery_migrations.columns import BYTES, HASH, ID, NUMBER, SERIAL, TEXT, column, string, where

revision = "0001_ground_floor"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes all tables in an empty database."""
    _create_accounts()
    _create_mailboxes()
    _create_items()
    _create_item_parts()
    _create_past()
    _create_blobs()
    _create_operations()
    _create_search()
    _create_postings()


def _create_accounts() -> None:
    op.create_table(
        "domain",
        column("name", string(255)),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("name", name="pk_domain"),
    )
    op.create_table(
        "account",
        column("id", ID),
        column("kind", sa.SmallInteger()),
        column("display_name", TEXT),
        column("administrator", sa.Boolean()),
        column("disabled", sa.Boolean()),
        column("password_hash", TEXT, nullable=True),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
    )
    op.create_table(
        "address",
        column("key", string(320)),
        column("text", string(320)),
        column("domain", string(255)),
        column("account_id", ID),
        column("is_primary", sa.Boolean()),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_address_account_id"),
        sa.ForeignKeyConstraint(["domain"], ["domain.name"], name="fk_address_domain"),
        sa.PrimaryKeyConstraint("key", name="pk_address"),
    )
    op.create_index("ix_address_account_id", "address", ["account_id"])
    op.create_index("ix_address_domain", "address", ["domain"])
    op.create_table(
        "session",
        column("id", ID),
        column("account_id", ID),
        column("device_name", TEXT),
        column("peer", TEXT),
        column("created", NUMBER),
        column("last_seen", NUMBER),
        column("generation", sa.Integer()),
        column("refresh_expires", NUMBER),
        column("revoked", sa.Boolean()),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_session_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_account_id", "session", ["account_id"])


def _create_mailboxes() -> None:
    op.create_table(
        "mailbox",
        column("id", SERIAL, autoincrement=True),
        column("uid", ID),
        column("account_id", ID),
        column("epoch", ID),
        column("revision", NUMBER),
        column("oldest_revision", NUMBER),
        column("quota_bytes", NUMBER),
        column("used_bytes", NUMBER),
        column("item_count", NUMBER),
        column("folder_count", sa.Integer()),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_mailbox_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mailbox"),
        sa.UniqueConstraint("account_id", name="uq_mailbox_account_id"),
        sa.UniqueConstraint("uid", name="uq_mailbox_uid"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folder",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("parent_id", ID),
        column("name", string(255)),
        column("name_key", string(765)),
        column("role", sa.SmallInteger()),
        column("default_kind", sa.SmallInteger()),
        column("created", NUMBER),
        column("revision", NUMBER),
        column("contents_revision", NUMBER),
        column("item_count", sa.Integer()),
        column("unread_count", sa.Integer()),
        column("size_bytes", NUMBER),
        column("next_uid", NUMBER),
        column("uid_validity", NUMBER),
        column("deleted", sa.SmallInteger()),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_folder_mailbox_id"),
        sa.PrimaryKeyConstraint("mailbox_id", "id", name="pk_folder"),
    )
    op.create_index("ix_folder_revision", "folder", ["mailbox_id", "revision"])
    op.create_index("uq_folder_role", "folder", ["mailbox_id", "role"], unique=True, **where("role <> 0"))
    op.create_index(
        "uq_folder_sibling_name", "folder", ["mailbox_id", "parent_id", "name_key"], unique=True, **where("deleted = 0")
    )


def _create_items() -> None:
    op.create_table(
        "item",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("folder_id", ID),
        column("kind", sa.SmallInteger()),
        column("life", sa.SmallInteger()),
        column("uid", NUMBER),
        column("created", NUMBER),
        column("content", NUMBER),
        column("state_revision", NUMBER),
        column("place", NUMBER),
        column("revision", NUMBER),
        column("fill_key", NUMBER),
        column("span_start", NUMBER),
        column("span_end", NUMBER),
        column("received", NUMBER),
        column("sent", NUMBER),
        column("from_key", string(255)),
        column("subject_key", string(255)),
        column("size_bytes", NUMBER),
        column("start", NUMBER),
        column("due", NUMBER),
        column("importance", sa.SmallInteger()),
        column("sensitivity", sa.SmallInteger()),
        column("has_attachments", sa.Boolean()),
        column("is_read", sa.Boolean()),
        column("flag_status", sa.SmallInteger()),
        column("reminder", NUMBER),
        column("message_class", string(255)),
        column("conversation_id", ID, nullable=True),
        column("external_id", TEXT, nullable=True),
        column("deleted_at", NUMBER, nullable=True),
        column("state", BYTES),
        column("summary", BYTES),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_item_mailbox_id"),
        sa.PrimaryKeyConstraint("mailbox_id", "id", name="pk_item"),
    )
    for key in ("received", "sent", "from_key", "subject_key", "size_bytes", "start", "due", "importance"):
        op.create_index(f"ix_item_by_{key}", "item", ["mailbox_id", "folder_id", "life", key, "id"])
    op.create_index("ix_item_conversation", "item", ["mailbox_id", "conversation_id"])
    op.create_index("ix_item_deleted_at", "item", ["deleted_at"], **where("life = 2"))
    op.create_index("ix_item_external", "item", ["mailbox_id", "external_id"])
    op.create_index("ix_item_fill", "item", ["mailbox_id", "fill_key", "id"])
    op.create_index("ix_item_recoverable", "item", ["mailbox_id", "life", "received", "id"], **where("life = 2"))
    op.create_index("ix_item_revision", "item", ["mailbox_id", "revision"])
    op.create_index("ix_item_span", "item", ["mailbox_id", "span_start"], **where("span_end > span_start"))


def _create_item_parts() -> None:
    op.create_table(
        "item_category",
        column("mailbox_id", NUMBER),
        column("category_key", string(255)),
        column("item_id", ID),
        sa.PrimaryKeyConstraint("mailbox_id", "category_key", "item_id", name="pk_item_category"),
    )
    op.create_index("ix_item_category_item", "item_category", ["mailbox_id", "item_id"])
    op.create_table(
        "item_content",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("revision", NUMBER),
        column("codec", sa.SmallInteger()),
        column("content", BYTES),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "revision", name="pk_item_content"),
    )
    op.create_table(
        "item_stamp",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("unit", string(64)),
        column("edited", NUMBER),
        column("device_id", ID),
        column("revision", NUMBER),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "unit", name="pk_item_stamp"),
    )


def _create_past() -> None:
    op.create_table(
        "departure",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("folder_id", ID),
        column("revision", NUMBER),
        column("uid", NUMBER),
        column("reason", sa.SmallInteger()),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "folder_id", name="pk_departure"),
    )
    op.create_index("ix_departure_revision", "departure", ["mailbox_id", "revision"])
    op.create_table(
        "retired_id",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("revision", NUMBER),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", name="pk_retired_id"),
    )
    op.create_table(
        "conflict",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("device_id", ID),
        column("content_revision", NUMBER),
        column("units", TEXT),
        column("revision", NUMBER),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "device_id", name="pk_conflict"),
    )
    op.create_index("ix_conflict_revision", "conflict", ["mailbox_id", "revision"])
    op.create_table(
        "reader_state",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("reader_id", ID),
        column("is_read", sa.Boolean()),
        column("flag_status", sa.SmallInteger()),
        column("state", BYTES),
        column("revision", NUMBER),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "reader_id", name="pk_reader_state"),
    )
    op.create_index("ix_reader_state_revision", "reader_state", ["mailbox_id", "reader_id", "revision"])


def _create_blobs() -> None:
    op.create_table(
        "blob",
        column("id", ID),
        column("sha256", HASH, nullable=True),
        column("size_bytes", NUMBER),
        column("stored_bytes", NUMBER),
        column("touched", NUMBER),
        sa.PrimaryKeyConstraint("id", name="pk_blob"),
        sa.UniqueConstraint("sha256", name="uq_blob_sha256"),
    )
    op.create_index("ix_blob_touched", "blob", ["touched"])
    op.create_table(
        "blob_chunk",
        column("blob_id", ID),
        column("offset", NUMBER),
        column("size_bytes", sa.Integer()),
        column("codec", sa.SmallInteger()),
        column("data", BYTES),
        sa.PrimaryKeyConstraint("blob_id", "offset", name="pk_blob_chunk"),
    )
    op.create_table(
        "upload",
        column("mailbox_id", NUMBER),
        column("id", ID),
        column("blob_id", ID),
        column("account_id", ID),
        column("total_bytes", NUMBER),
        column("received_bytes", NUMBER),
        column("complete", sa.SmallInteger()),
        column("touched", NUMBER),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name="fk_upload_blob_id"),
        sa.PrimaryKeyConstraint("mailbox_id", "id", name="pk_upload"),
    )
    op.create_index("ix_upload_blob_id", "upload", ["blob_id"])
    op.create_index("ix_upload_touched", "upload", ["touched"])
    op.create_table(
        "item_blob",
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        column("content_revision", NUMBER),
        column("part", sa.Integer()),
        column("blob_id", ID),
        column("prefix", BYTES, nullable=True),
        column("offset", NUMBER),
        column("length", NUMBER),
        column("encoding", string(20)),
        column("size_bytes", NUMBER),
        sa.ForeignKeyConstraint(["blob_id"], ["blob.id"], name="fk_item_blob_blob_id"),
        sa.PrimaryKeyConstraint("mailbox_id", "item_id", "content_revision", "part", name="pk_item_blob"),
    )
    op.create_index("ix_item_blob_blob_id", "item_blob", ["blob_id"])


def _create_operations() -> None:
    op.create_table(
        "operation",
        column("account_id", ID),
        column("id", ID),
        column("request_hash", HASH),
        column("refusal", BYTES, nullable=True),
        column("result", BYTES, nullable=True),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_operation"),
    )
    op.create_index("ix_operation_created", "operation", ["created"])
    op.create_table(
        "change",
        column("mailbox_id", NUMBER),
        column("revision", NUMBER),
        column("at", NUMBER),
        column("actor_id", ID),
        column("device_id", ID),
        column("operation", string(40)),
        column("operation_id", ID),
        sa.PrimaryKeyConstraint("mailbox_id", "revision", name="pk_change"),
    )
    op.create_table(
        "job",
        column("account_id", ID),
        column("id", ID),
        column("kind", string(40)),
        column("arguments", BYTES),
        column("session_id", ID),
        column("progress", NUMBER),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_job"),
    )
    op.create_index("ix_job_created", "job", ["created"])
    op.create_table(
        "secret_key",
        column("purpose", string(40)),
        column("key_id", NUMBER),
        column("key", HASH),
        column("created", NUMBER),
        sa.PrimaryKeyConstraint("purpose", "key_id", name="pk_secret_key"),
    )


def _create_search() -> None:
    op.create_table(
        "search_document",
        column("number", SERIAL, autoincrement=False),
        column("mailbox_id", NUMBER),
        column("item_id", ID),
        sa.PrimaryKeyConstraint("number", name="pk_search_document"),
    )
    op.create_index("uq_search_document_item", "search_document", ["mailbox_id", "item_id"], unique=True)
    op.create_table(
        "search_progress",
        column("mailbox_id", NUMBER),
        column("revision", NUMBER),
        column("stale", NUMBER),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailbox.id"], name="fk_search_progress_mailbox_id"),
        sa.PrimaryKeyConstraint("mailbox_id", name="pk_search_progress"),
    )


def _create_postings() -> None:
    """The postings are the engine's own: FTS5 without content, or a tsvector with GIN. Terms come folded and unstemmed."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_postings USING fts5(subject, sender, recipients, attachments, body, "
            "content='', tokenize=\"ascii tokenchars '_'\")"
        )
    else:
        op.execute("ALTER TABLE search_document ADD COLUMN terms tsvector")
        # The words lie apart from the rows: a hit costs a narrow row, and the words are read only where a phrase is looked for.
        op.execute("ALTER TABLE search_document SET (toast_tuple_target = 128)")
        op.execute("CREATE INDEX ix_search_document_terms ON search_document USING gin (terms)")

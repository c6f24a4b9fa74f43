"""Mail on its way out: what was submitted, and the queue, a row for each recipient.

A recipient that something is still to be done for has a ``next_attempt``, and nobody else has: whoever takes it on moves that time
to the end of a lease and signs with ``lease_owner``, so that what a crash has interrupted comes up again by itself.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, Text, text

from rookery_server.store.tables.base import Id, metadata

submission = Table(
    "submission",
    metadata,
    Column("mailbox_id", BigInteger, ForeignKey("mailbox.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("item_id", Id, nullable=False),
    Column("origin_id", Id, nullable=False),  # the folder that the draft was in
    Column("revision", BigInteger, nullable=False),  # the mailbox's, when it last changed
    Column("state", SmallInteger, nullable=False),  # rookery.v1.SubmissionState
    Column("sender", String(320), nullable=False),  # of the envelope
    Column("submitted", BigInteger, nullable=False),
    Column("hold_until", BigInteger, nullable=True),  # null: left at once, or (held) waits to be released
    # The message as it leaves. Null once nobody needs it: all have it, or it was called back.
    Column("blob_id", Id, ForeignKey("blob.id"), nullable=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("eight_bit", Boolean, nullable=False),  # it has bytes above 127
    Column("unicode_header", Boolean, nullable=False),  # its header has
    Index("ix_submission_list", "mailbox_id", "submitted", "id"),
    Index("ix_submission_item", "mailbox_id", "item_id"),
    Index("ix_submission_revision", "mailbox_id", "revision", "id"),
    Index("ix_submission_submitted", "submitted"),
    Index("ix_submission_blob_id", "blob_id"),
)

outgoing_recipient = Table(
    "outgoing_recipient",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),  # the sender's
    Column("submission_id", Id, primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 and up, as in the message
    Column("name", Text, nullable=False),
    Column("address", String(320), nullable=False),  # as envelopes have it
    Column("domain", String(255), nullable=False),  # where it goes: ASCII, lower case; "" to a mailbox here
    Column("state", SmallInteger, nullable=False),  # rookery.v1.DeliveryState
    Column("attempts", Integer, nullable=False),
    Column("ambiguous", Integer, nullable=False),  # attempts of which nobody knows whether they succeeded
    Column("queued", BigInteger, nullable=False),  # when its time began to run
    Column("next_attempt", BigInteger, nullable=True),  # null: nothing is to be done
    Column("lease_owner", Id, nullable=True),  # who hands it over until then; null: nobody
    Column("host", Text, nullable=False),  # that answered last
    Column("reply", Text, nullable=False),  # what it said, in one line
    Column("status_code", String(11), nullable=False),  # RFC 3463; "" while there is none
    Column("changed", BigInteger, nullable=False),
    Column("delay_told", Boolean, nullable=False),  # the sender knows that it is late
    Column("report", SmallInteger, nullable=False),  # what the sender is to be told: 0 nothing, 1 that it is late, 2 that it failed
    Column("report_item_id", Id, nullable=True),  # the report about it that came last, in the sender's mailbox
    Index(
        "ix_outgoing_recipient_due",
        "domain",
        "next_attempt",
        sqlite_where=text("next_attempt IS NOT NULL"),
        postgresql_where=text("next_attempt IS NOT NULL"),
    ),
    Index("ix_outgoing_recipient_report", "mailbox_id", sqlite_where=text("report > 0"), postgresql_where=text("report > 0")),
)

"""Bulk bytes: uploads, blobs in compressed chunks, and the items that hold them.

A blob is immutable and found by the SHA-256 of its bytes. It has an id of its own, so that an upload can fill it before its
hash is known. A blob that no item holds is swept 24 hours after it was last touched.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, String, Table

from rookery_server.store.tables.base import Bytes, Id, metadata

blob = Table(
    "blob",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sha256", Bytes(32), nullable=True, unique=True),  # null until all bytes are there
    Column("size_bytes", BigInteger, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    Column("touched", BigInteger, nullable=False),  # when it was last linked or written
    Index("ix_blob_touched", "touched"),
)

blob_chunk = Table(
    "blob_chunk",
    metadata,
    Column("blob_id", Id, primary_key=True),
    Column("offset", BigInteger, primary_key=True),  # of the chunk's first decoded byte
    Column("size_bytes", Integer, nullable=False),  # decoded
    Column("codec", SmallInteger, nullable=False),  # 1 as it is, 2 Zstandard (rookery.v1.ContentEncoding)
    Column("data", Bytes, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("id", Id, primary_key=True),
    Column("blob_id", Id, ForeignKey("blob.id"), nullable=False),
    Column("account_id", Id, nullable=False),
    Column("total_bytes", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("complete", SmallInteger, nullable=False),
    Column("touched", BigInteger, nullable=False),
    Index("ix_upload_touched", "touched"),
    Index("ix_upload_blob_id", "blob_id"),
)

item_blob = Table(
    "item_blob",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("content_revision", BigInteger, primary_key=True),
    Column("part", Integer, primary_key=True),  # 0: the original message; else Attachment.id
    Column("blob_id", Id, ForeignKey("blob.id"), nullable=False),
    Column("prefix", Bytes, nullable=True),  # trace header before the original (Return-Path, Received)
    Column("offset", BigInteger, nullable=False),  # the encoded bytes' place in the blob
    Column("length", BigInteger, nullable=False),
    Column("encoding", String(20), nullable=False),  # identity, base64, quoted-printable, uuencode
    Column("size_bytes", BigInteger, nullable=False),  # decoded
    Index("ix_item_blob_blob_id", "blob_id"),
)

"""Bytes as the store keeps them: chunks of 256 KiB, each compressed on its own, so that a blob streams and seeks.

Nothing here touches the database. Hashing and compression let other threads run, so they belong before the transaction.
"""

from __future__ import annotations

import hashlib
import threading
from typing import NamedTuple

import zstandard

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_ZSTD
from rookery_core.errors import DataLoss

CHUNK_BYTES = 256 * 1024
"""Decoded bytes in each chunk of a blob but the last, which has the rest."""

_WORTHWHILE = 0.95
"""A compressed chunk is kept only if it has fewer than this part of the bytes: unpacking is not free either."""


class Chunk(NamedTuple):
    """A piece of a blob as it is stored."""

    offset: int
    """Of its first byte in the blob, decoded."""
    size: int
    """Decoded bytes."""
    codec: int
    """``rookery.v1.ContentEncoding``: identity, or one Zstandard frame with its checksum."""
    data: bytes


class PreparedBlob(NamedTuple):
    """Bytes ready to be stored. A tuple, since many of them come out of other processes."""

    id: bytes
    """What the blob is called if nobody stored the same bytes before."""
    sha256: bytes
    size: int
    stored: int
    """Bytes of all chunks as they are stored."""
    chunks: list[Chunk]


class _Codecs(threading.local):
    """Compressors are reused, each in its own thread: they must not be shared."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True)
        self.decompressor = zstandard.ZstdDecompressor()


_codecs = _Codecs()


def encode(data: bytes | memoryview, offset: int = 0) -> list[Chunk]:
    """Cuts bytes into chunks and compresses each; ``offset``, where they begin in the blob, is a multiple of ``CHUNK_BYTES``."""
    view = memoryview(data)
    compress = _codecs.compressor.compress
    chunks = []
    for start in range(0, len(view), CHUNK_BYTES):
        piece = view[start : start + CHUNK_BYTES]
        packed = compress(piece)
        if len(packed) < len(piece) * _WORTHWHILE:
            chunks.append(Chunk(offset + start, len(piece), CONTENT_ENCODING_ZSTD, packed))
        else:
            chunks.append(Chunk(offset + start, len(piece), CONTENT_ENCODING_IDENTITY, bytes(piece)))
    return chunks


def decode(chunk: Chunk) -> bytes:
    """The chunk's bytes. DataLoss ``CONTENT_DAMAGED`` if they are not what was stored, as far as size and checksum tell."""
    if chunk.codec == CONTENT_ENCODING_ZSTD:
        try:
            data = _codecs.decompressor.decompress(chunk.data, max_output_size=CHUNK_BYTES)
        except zstandard.ZstdError as error:
            raise damaged() from error
    else:
        data = chunk.data
    if len(data) != chunk.size:
        raise damaged()
    return data


def damaged() -> DataLoss:
    """The error for bytes that are not what was stored."""
    return DataLoss("CONTENT_DAMAGED", "the stored bytes are damaged: restore them from a backup (rookeryd db check tells more)")


def prepare(data: bytes, blob_id: bytes, *, sha256: bytes | None = None) -> PreparedBlob:
    """Hashes, cuts and compresses bytes that are to be stored. ``sha256`` is their hash, where it is known."""
    chunks = encode(data)
    stored = sum(len(chunk.data) for chunk in chunks)
    return PreparedBlob(blob_id, sha256 or hashlib.sha256(data).digest(), len(data), stored, chunks)

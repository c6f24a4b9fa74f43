"""The messages of a download, read without a copy of the bytes that they carry.

A megabyte that a message class takes over is copied into the message, and again when it is asked for. So the few fields around
it are read here (Protocol Buffers, "Encoding": a message is its fields one after the other, each behind its number and its kind).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from rookery.v1 import content_service_pb2 as pb
from rookery_core.errors import DataLoss

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
_LARGEST_SHIFT = 63
"""A number has ten bytes at most."""


class Piece(NamedTuple):
    """The fields of a ContentChunk."""

    offset: int
    size: int
    encoding: int
    data: memoryview


class Arrived(NamedTuple):
    """What a DownloadAttachmentResponse or a DownloadDocumentResponse says: they look alike."""

    info: pb.ContentInfo | None
    piece: Piece | None


def read(message: bytes) -> Arrived:
    """The encoded message; DataLoss ``CONTENT_DAMAGED`` if it is none. Fields that this version does not know are passed over."""
    info: pb.ContentInfo | None = None
    piece: Piece | None = None
    try:
        for number, value in _fields(memoryview(message)):
            if number == pb.DownloadDocumentResponse.INFO_FIELD_NUMBER and isinstance(value, memoryview):
                info = pb.ContentInfo.FromString(bytes(value))
            elif number == pb.DownloadDocumentResponse.CHUNK_FIELD_NUMBER and isinstance(value, memoryview):
                piece = _piece(value)
    except (IndexError, DecodeError):
        raise DataLoss("CONTENT_DAMAGED", "a message of the download can not be read") from None
    return Arrived(info, piece)


def _piece(chunk: memoryview) -> Piece:
    numbers: dict[int, int] = {}
    data = chunk[:0]
    for number, value in _fields(chunk):
        if isinstance(value, int):
            numbers[number] = value
        elif number == pb.ContentChunk.DATA_FIELD_NUMBER:
            data = value
    return Piece(
        numbers.get(pb.ContentChunk.OFFSET_FIELD_NUMBER, 0),
        numbers.get(pb.ContentChunk.SIZE_BYTES_FIELD_NUMBER, 0),
        numbers.get(pb.ContentChunk.ENCODING_FIELD_NUMBER, 0),
        data,
    )


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields in order, by number: numbers, and views of what has a length. IndexError where the bytes end early or are none."""
    place = 0
    while place < len(view):
        tag, place = _varint(view, place)
        kind = tag & 7
        if kind == _VARINT:
            value, place = _varint(view, place)
            yield tag >> 3, value
        elif kind == _SIZED:
            size, place = _varint(view, place)
            if size > len(view) - place:
                raise IndexError
            yield tag >> 3, view[place : place + size]
            place += size
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
            if place > len(view):
                raise IndexError
        else:
            raise IndexError


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    """The number that begins there, seven bits a byte, the lowest first; and where the next field begins."""
    number = shift = 0
    while True:
        byte = view[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
        if shift > _LARGEST_SHIFT:
            raise IndexError

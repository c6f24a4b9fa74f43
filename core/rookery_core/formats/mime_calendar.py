"""The part of a message that is a scheduling message (RFC 6047), as Outlook, Google, Apple and others place it. Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rookery_core.formats import mime_charsets
from rookery_core.formats.mime_headers import parameters
from rookery_core.formats.mime_transfer import IDENTITY, decode_part

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

_LOOKED_AT = 64 * 1024
"""Bytes of a part in which its METHOD is looked for."""
_METHOD = re.compile(rb"^METHOD[ \t]{0,5}:[ \t]{0,5}([A-Za-z]{1,20})", re.MULTILINE | re.IGNORECASE)
_BEGIN = re.compile(rb"^BEGIN:VCALENDAR[ \t]{0,5}\r?\n", re.MULTILINE | re.IGNORECASE)
_FILES = frozenset({"application/ics", "application/calendar", "application/x-ics", "text/x-vcalendar"})
_SPOKEN = frozenset({"REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER", "ADD", "REFRESH"})
_UNICODE = frozenset({"", "utf-8", "utf8", "us-ascii"})


def find(raw: bytes, root: Entity) -> tuple[Entity, str] | None:
    """The part, and its method in capitals.

    A text/calendar part with a method, as its Content-Type or itself says. Where there is none, a calendar that is attached as a
    file and says more than PUBLISH, which is what programs write into files that are no messages.
    """
    files: list[Entity] = []
    for leaf in root.leaves():
        if leaf.media_type == "text/calendar":
            method = _method(raw, leaf)
            if method:
                return leaf, method
        elif _is_file(leaf):
            files.append(leaf)
    for leaf in files:
        method = _method(raw, leaf)
        if method in _SPOKEN:
            return leaf, method
    return None


def beginning(raw: bytes, leaf: Entity) -> bytes:
    """The first 64 KiB of a part, decoded."""
    data = raw[leaf.start : min(leaf.end, leaf.start + _LOOKED_AT)]
    return data if leaf.encoding == IDENTITY else decode_part(data, leaf.encoding)


def content(raw: bytes, leaf: Entity, method: str) -> bytes:
    """A part, decoded, put into UTF-8 where it says that it is in another charset, and with the METHOD that only its field says."""
    data = decode_part(raw[leaf.start : leaf.end], leaf.encoding)
    charset = leaf.parameters.get("charset", "")
    if charset.lower() not in _UNICODE:
        data = mime_charsets.decode(data, charset).encode()
    if _METHOD.search(data):
        return data
    return _BEGIN.sub(lambda begin: begin[0] + b"METHOD:" + method.encode("ascii", "replace") + b"\r\n", data, count=1)


def _method(raw: bytes, leaf: Entity) -> str:
    declared = _METHOD.search(beginning(raw, leaf))
    return (leaf.parameters.get("method") or (declared[1].decode("ascii") if declared else "")).upper()


def _is_file(leaf: Entity) -> bool:
    if leaf.media_type in _FILES:
        return True
    if leaf.media_type != "application/octet-stream":
        return False
    named = parameters(leaf.header.first("content-disposition"))[1].get("filename") or leaf.parameters.get("name", "")
    return named.lower().endswith(".ics")

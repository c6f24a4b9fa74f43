"""The tree of a MIME message with the place of each part in the raw bytes (RFC 2046 section 5.1). Never raises.

Only offsets are found here; nothing is decoded or copied. The work is bounded: parts, depth and header bytes have limits, and
each level of nesting looks at each byte a bounded number of times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_core.formats.mime_headers import HeaderBlock, parameters, read_block
from rookery_core.formats.mime_transfer import IDENTITY, encoding_named
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEPTH_LIMIT = 50
PARTS_LIMIT = limits.ATTACHMENTS
BOUNDARY_LIMIT = 200

_TYPE = re.compile(r"[!#$%&'*+.^_`|~a-z0-9-]{1,127}/[!#$%&'*+.^_`|~a-z0-9-]{1,127}")
_GUESSED_BOUNDARY = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]{0,20}\r?\nContent-", re.MULTILINE | re.IGNORECASE)


@dataclass(slots=True)
class Entity:
    """A message or a part of one."""

    header: HeaderBlock
    media_type: str
    """Lower case; "text/plain" where absent or senseless (RFC 2045 section 5.2)."""
    parameters: Mapping[str, str]
    encoding: str
    """"identity", "base64", "quoted-printable" or "uuencode"."""
    begin: int
    """Offset of the header."""
    start: int
    """Offset of the body, still encoded."""
    end: int
    """Offset after the body; the line end before the next boundary is not part of it."""
    parent: Entity | None = None
    children: list[Entity] = field(default_factory=list)

    def leaves(self) -> Iterator[Entity]:
        """The parts that are not containers, in order."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


class _Budget:
    """What is left of the limits, and what was wrong so far."""

    def __init__(self) -> None:
        self.parts = PARTS_LIMIT
        self.defects: list[str] = []


def scan(raw: bytes, start: int = 0) -> tuple[Entity, list[str]]:
    """The tree of the message that begins at ``start``, and what was wrong with its form, in words."""
    budget = _Budget()
    root = _entity(raw, start, len(raw), None, budget)
    _split(raw, root, 0, budget)
    return root, budget.defects


def _entity(raw: bytes, start: int, end: int, parent: Entity | None, budget: _Budget) -> Entity:
    header = read_block(raw, start, end)
    budget.defects += header.defects
    declared = header.first("content-type")
    default = "message/rfc822" if parent is not None and parent.media_type == "multipart/digest" else "text/plain"
    if not declared:
        media_type, found = default, parameters("")[1]
    else:
        media_type, found = parameters(declared)
        if not _TYPE.fullmatch(media_type):
            budget.defects.append("a Content-Type can not be understood")
            media_type = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}.get(media_type, default)
    coding = header.first("content-transfer-encoding")
    encoding = IDENTITY
    if coding:
        encoding, known = encoding_named(coding[:100])
        if not known:
            budget.defects.append("an unknown Content-Transfer-Encoding is taken as none")
    return Entity(header, media_type, found, encoding, start, header.body, end, parent)


def _split(raw: bytes, entity: Entity, depth: int, budget: _Budget) -> None:
    """Finds the parts of a multipart entity and theirs; an entity without any becomes text, one nested too deep stays whole."""
    if not entity.media_type.startswith("multipart/"):
        return
    if depth >= DEPTH_LIMIT:
        budget.defects.append("parts are nested deeper than 50 levels; the innermost stay unread")
        entity.media_type = "application/octet-stream"
        return
    boundary = entity.parameters.get("boundary", "")[:BOUNDARY_LIMIT].rstrip().encode("utf-8", "replace")
    ranges, closed = _ranges(raw, entity, boundary, budget) if boundary else ([], False)
    if not ranges:
        guessed = _GUESSED_BOUNDARY.search(raw, entity.start, entity.end)
        if guessed:
            ranges, closed = _ranges(raw, entity, guessed[1], budget)
            budget.defects.append("the boundary between parts was guessed")
    if not ranges:
        budget.defects.append("a multipart message has no parts; its body is taken as text")
        entity.media_type = "text/plain"
        return
    if not closed:
        budget.defects.append("the last boundary is missing; the message may be cut off")
    for start, end in ranges:
        child = _entity(raw, start, end, entity, budget)
        entity.children.append(child)
        _split(raw, child, depth + 1, budget)


def _ranges(raw: bytes, entity: Entity, boundary: bytes, budget: _Budget) -> tuple[list[tuple[int, int]], bool]:
    """Where each part lies, and whether the closing boundary is there."""
    ranges: list[tuple[int, int]] = []
    mark, size = b"\n--" + boundary, len(boundary) + 3
    begin = -1
    # The line end before the first boundary may belong to the header.
    position = entity.start - 1 if entity.start and raw[entity.start - 1] == 10 else entity.start
    if position == entity.start and raw.startswith(mark[1:], position, entity.end):
        hit = position - 1
    else:
        hit = raw.find(mark, position, entity.end)
    while hit >= 0:
        line_end = raw.find(b"\n", hit + size, entity.end)
        after = entity.end if line_end < 0 else line_end + 1
        rest = raw[hit + size : min(after, hit + size + 80)].rstrip()
        if not rest or rest == b"--":
            if begin >= 0:
                end = hit - 1 if hit > begin and raw[hit - 1] == 13 else hit
                ranges.append((begin, max(begin, end)))
                budget.parts -= 1
            if rest:
                return ranges, True
            begin = after
            if budget.parts <= 0:
                budget.defects.append("more than 1,000 parts; the rest stays unread")
                return ranges, True
        hit = raw.find(mark, after - 1, entity.end)
    if begin >= 0:
        ranges.append((begin, entity.end))
        budget.parts -= 1
    return ranges, False

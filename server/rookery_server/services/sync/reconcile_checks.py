"""What a Reconcile call may ask: checked before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import checks
from rookery_core.rules.digests import DIGEST_BYTES
from rookery_core.rules.ids import ID_BYTES, require_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1 import sync_service_pb2 as messages

MOST_PARTS = 64
"""Ranges and leaves of a call."""
MOST_ENTRIES = 500
"""Entries of a leaf."""

_END = b"\xff" * ID_BYTES


class Bounds(NamedTuple):
    """Ids greater than ``after`` and up to ``through``, as unsigned bytes."""

    after: bytes
    """Empty: from the beginning."""
    through: bytes
    """16 bytes always."""


class Range(NamedTuple):
    """What a device has in a range, condensed."""

    bounds: Bounds
    size: int
    digest: bytes


class Leaf(NamedTuple):
    """What a device has in a range: revisions by id."""

    bounds: Bounds
    held: dict[bytes, int]


def checked(request: messages.ReconcileRequest) -> tuple[list[Range], list[Leaf]]:
    """The ranges and leaves of a request, in their order.

    InvalidArgument: ``LIMIT_EXCEEDED`` for too many, ``ID_INVALID`` for an id that is none, ``FIELD_INVALID`` for ranges that are
    empty, overlap or do not ascend, for a digest that is none, and for an entry that is there twice or outside of its leaf.
    """
    checks.at_most(len(request.ranges) + len(request.leaves), MOST_PARTS, "ranges")
    range_bounds = _bounds([(part.after_id, part.through_id) for part in request.ranges], "ranges")
    leaf_bounds = _bounds([(part.after_id, part.through_id) for part in request.leaves], "leaves")
    for index, part in enumerate(request.ranges):
        if len(part.digest) != DIGEST_BYTES:
            raise checks.invalid(f"a digest has {DIGEST_BYTES} bytes", f"ranges[{index}].digest")
    ranges = [Range(bounds, part.count, part.digest) for bounds, part in zip(range_bounds, request.ranges, strict=True)]
    parts = zip(leaf_bounds, request.leaves, strict=True)
    leaves = [Leaf(bounds, _held(bounds, part.entries, f"leaves[{index}]")) for index, (bounds, part) in enumerate(parts)]
    return ranges, leaves


def _bounds(parts: Sequence[tuple[bytes, bytes]], field: str) -> list[Bounds]:
    found: list[Bounds] = []
    last = b""
    for index, (after_id, through_id) in enumerate(parts):
        after = require_id(after_id, f"{field}[{index}].after_id") if after_id else b""
        through = require_id(through_id, f"{field}[{index}].through_id") if through_id else _END
        if after >= through:
            raise checks.invalid("a range ends behind its beginning", f"{field}[{index}].through_id")
        if found and after < last:
            raise checks.invalid("ranges ascend and do not overlap", f"{field}[{index}].after_id")
        last = through
        found.append(Bounds(after, through))
    return found


def _held(bounds: Bounds, entries: Sequence[messages.ReconcileEntry], field: str) -> dict[bytes, int]:
    checks.at_most(len(entries), MOST_ENTRIES, f"{field}.entries")
    held = {require_id(entry.item_id, f"{field}.entries.item_id"): entry.revision for entry in entries}
    if len(held) != len(entries):
        raise checks.invalid("an entry is there twice", f"{field}.entries")
    if not all(bounds.after < item_id <= bounds.through for item_id in held):
        raise checks.invalid("an entry lies outside of its leaf", f"{field}.entries")
    return held

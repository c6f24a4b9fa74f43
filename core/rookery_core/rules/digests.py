"""Digests of what a replica or a mailbox holds: by these, Reconcile finds where the two differ (rookery.v1.ReconcileRange)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGEST_BYTES = 32


class RangeDigest:
    """SHA-256 over ids (16 bytes) and revisions (8 bytes, most significant first), sorted by id as unsigned bytes.

    Items are added in that order, in as many portions as there are.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0
        """Items added."""

    def add(self, entries: Iterable[tuple[bytes, int]]) -> None:
        """Adds items, by id and revision, all of them behind those that were added before."""
        update, count = self._hash.update, self.count
        for item_id, revision in entries:
            update(item_id + revision.to_bytes(8))
            count += 1
        self.count = count

    def digest(self) -> bytes:
        """Of what was added so far, 32 bytes."""
        return self._hash.digest()

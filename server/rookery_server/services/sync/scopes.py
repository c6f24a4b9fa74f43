"""What a device holds: folders, kinds, a window and a depth, checked once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from rookery.v1.item_pb2 import ItemKind
from rookery_core.rules import checks
from rookery_core.rules.ids import require_id
from rookery_core.rules.sync_windows import Window
from rookery_server.store.items import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_FOLDERS = 1000
MOST_TEXT_BYTES = 1 << 20
_TEXT_BYTES = 4096


@dataclass(frozen=True)
class Scope:
    """A valid scope, in its plainest form: two requests that mean the same have the same."""

    folder_ids: tuple[bytes, ...]
    """Sorted; of all folders where empty."""
    kinds: tuple[int, ...]
    """Sorted; of all kinds where empty."""
    window: Window
    depth: sync_pb2.SyncDepth.ValueType
    text_bytes: int
    """0 but with depth TEXT."""

    @classmethod
    def of(cls, scope: sync_pb2.SyncScope) -> Scope:
        """The scope that a device asks for.

        InvalidArgument: ``LIMIT_EXCEEDED`` for more than 1,000 folders or 1 MiB of text, ``ID_INVALID`` for an id that is none,
        ``FIELD_INVALID`` for an unknown kind or depth and for a window that is none.
        """
        checks.at_most(len(scope.folder_ids), MOST_FOLDERS, "scope.folder_ids")
        checks.no_bigger(scope.text_bytes, MOST_TEXT_BYTES, "scope.text_bytes")
        folder_ids = {require_id(folder_id, f"scope.folder_ids[{n}]") for n, folder_id in enumerate(scope.folder_ids)}
        depth = scope.depth or sync_pb2.SYNC_DEPTH_SUMMARY
        if depth not in sync_pb2.SyncDepth.values():
            raise checks.invalid(f"there is no depth {depth}", "scope.depth")
        text_bytes = (scope.text_bytes or _TEXT_BYTES) if depth == sync_pb2.SYNC_DEPTH_TEXT else 0
        return cls(tuple(sorted(folder_ids)), _kinds(scope.kinds), Window.of(scope.window), depth, text_bytes)

    @cached_property
    def _folders(self) -> frozenset[bytes]:
        return frozenset(self.folder_ids) - {NOWHERE}

    def has_folder(self, folder_id: bytes) -> bool:
        """Whether items in this folder may be in scope. ``NOWHERE``, where recoverable items are, never is."""
        return folder_id in self._folders if self.folder_ids else folder_id != NOWHERE

    def has_kind(self, kind: int) -> bool:
        """Whether items of this kind may be in scope."""
        return not self.kinds or kind in self.kinds

    def holds(self, folder_id: bytes, kind: int, fill_key: int, span_start: int, span_end: int) -> bool:
        """Whether a live item with these columns is in scope."""
        return self.has_folder(folder_id) and self.has_kind(kind) and self.window.holds(kind, fill_key, span_start, span_end)

    def digest(self) -> bytes:
        """Of what must stay the same from call to call: folders, kinds and depth. 16 bytes."""
        plain = sync_pb2.SyncScope(depth=self.depth, text_bytes=self.text_bytes, folder_ids=self.folder_ids)
        plain.kinds.extend(ItemKind.ValueType(kind) for kind in self.kinds)
        return hashlib.sha256(plain.SerializeToString(deterministic=True)).digest()[:16]


def _kinds(kinds: Sequence[int]) -> tuple[int, ...]:
    for index, kind in enumerate(kinds):
        if not kind or kind not in ItemKind.values():
            raise checks.invalid(f"there is no kind {kind}", f"scope.kinds[{index}]")
    return tuple(sorted(set(kinds)))

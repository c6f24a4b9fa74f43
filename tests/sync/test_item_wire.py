"""Items put on the wire by hand are what the message classes make of them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedSyncItem
from rookery_server.services.sync import item_wire
from rookery_server.services.sync.batches import NOTHING, sync_item
from rookery_server.store.sync_rows import SyncRow

EDGES = [
    edge + step for bits in (7, 14, 28, 42, 49, 56, 63) for edge in [1 << bits] for step in (-1, 0, 1) if edge + step < 1 << 63
]
IDS = st.binary(min_size=16, max_size=16)
NUMBERS = st.integers(1, (1 << 63) - 1) | st.sampled_from(EDGES)
UIDS = st.integers(1, (1 << 32) - 1) | st.sampled_from([edge for edge in EDGES if edge < 1 << 32])
KEYS = NUMBERS | st.integers(-(1 << 63), -1)
LENGTHS = st.sampled_from([0, 1, 127, 128, 16_000, 16_383, 16_384, 70_000])
STATES = LENGTHS.map(bytes)
SUMMARIES = LENGTHS.filter(bool).map(bytes)
PADDING = 7 + 3 * 3 + 3 * 1
"""The most that fixed widths add to an item: to its key, its numbers and its lengths."""
ROWS = st.builds(SyncRow, KEYS, IDS, IDS, NUMBERS, NUMBERS, UIDS, STATES, SUMMARIES)


def by_class(rows: list[SyncRow]) -> PackedPullResponse:
    """The same, by the message classes."""
    return PackedPullResponse(items=[sync_item(row, NOTHING) for row in rows])


@given(st.lists(ROWS, max_size=4))
@example([SyncRow(1_750_000_000_000_000, b"i" * 16, b"f" * 16, 70_000, 70_000, 300, b"", b"summary")])
def test_what_is_put_together_by_hand_decodes_to_the_same(rows: list[SyncRow]) -> None:
    encoded, taken = item_wire.encode(rows, 1 << 30, 0)
    assert taken == len(rows)
    assert PackedPullResponse.FromString(encoded) == by_class(rows)
    assert by_class(rows).ByteSize() <= len(encoded) <= by_class(rows).ByteSize() + PADDING * len(rows)


@given(st.lists(ROWS, min_size=1, max_size=6), st.integers(0, 300_000), st.integers(0, 1))
def test_it_ends_before_what_does_not_fit(rows: list[SyncRow], room: int, least: int) -> None:
    encoded, taken = item_wire.encode(rows, room, least)
    sizes = [len(item_wire.encode([row], 0, 1)[0]) for row in rows]
    assert len(encoded) == sum(sizes[:taken])
    assert len(encoded) <= room or taken == least
    assert taken == len(rows) or taken == least or sum(sizes[: taken + 1]) > room


@given(KEYS)
def test_varints_are_protobufs_own(number: int) -> None:
    tagged = PackedSyncItem(fill_key=number).SerializeToString()
    field = PackedSyncItem.FILL_KEY_FIELD_NUMBER
    assert item_wire.tag(field, of_bytes=False) + item_wire.varint(number) == (
        tagged or item_wire.tag(field, of_bytes=False) + b"\0"
    )

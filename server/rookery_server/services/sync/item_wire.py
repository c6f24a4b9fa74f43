"""Items without content, straight from their rows to the wire: the hot path of a first fill.

A message on the wire is its fields one after another, in any order, and a response is its entries one after another. So what one
item takes is put together from a few pieces, the stored state and summary among them. The message classes would copy all of it
twice more: a page would take about a quarter longer, and touch three times the memory. What comes out decodes to the same
messages; a test holds it against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import ITEM_LIFE_LIVE, Item
from rookery.v1.sync_pb2 import CONTENT_EXTENT_NONE, SyncItem
from rookery.v1.sync_service_pb2 import PullResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

_LAST = [bytes([n]) if n < 0x80 else bytes([n & 0x7F | 0x80, n >> 7]) for n in range(0x4000)]
"""Numbers of up to 14 bits, as varints."""
_MORE = [bytes([n & 0x7F | 0x80, n >> 7 | 0x80]) for n in range(0x4000)]
"""14 bits of a varint that goes on."""


def varint(number: int) -> bytes:
    """A base 128 varint; a negative number as int64 has it, in ten bytes."""
    number &= (1 << 64) - 1
    pieces = []
    while number >= 0x4000:
        pieces.append(_MORE[number & 0x3FFF])
        number >>= 14
    return b"".join((*pieces, _LAST[number]))


def tag(field: int, *, of_bytes: bool = True) -> bytes:
    """What comes before a field: its number, and whether bytes with their length follow, or a varint."""
    return varint(field << 3 | (2 if of_bytes else 0))


_ITEM_FORM = b"".join(
    (
        tag(Item.ID_FIELD_NUMBER) + b"\x10%b",
        tag(Item.FOLDER_ID_FIELD_NUMBER) + b"\x10%b",
        tag(Item.REVISION_FIELD_NUMBER, of_bytes=False) + b"%b",
        tag(Item.CONTENT_REVISION_FIELD_NUMBER, of_bytes=False) + b"%b",
        tag(Item.UID_FIELD_NUMBER, of_bytes=False) + b"%b",
        tag(Item.LIFE_FIELD_NUMBER, of_bytes=False) + varint(ITEM_LIFE_LIVE),
        b"%b%b",
        tag(Item.SUMMARY_FIELD_NUMBER) + b"%b",
    )
)
"""An Item up to the bytes of its summary. Ids have 16 bytes; an empty state is left out, as the message class leaves it out."""
_ITEM_FIXED = len(_ITEM_FORM.replace(b"%b", b"")) + 2 * 16
"""Bytes that every Item takes: tags and ids."""
_STATE_TAG = tag(Item.STATE_FIELD_NUMBER)
_STATE_HEADS = [b"", *(_STATE_TAG + _LAST[n] for n in range(1, 0x80))]
"""What comes before a state, by its length."""
_HEAD_FORM = b"".join(
    (
        tag(SyncItem.FILL_KEY_FIELD_NUMBER, of_bytes=False) + b"%b",
        tag(SyncItem.EXTENT_FIELD_NUMBER, of_bytes=False) + varint(CONTENT_EXTENT_NONE),
        tag(SyncItem.ITEM_FIELD_NUMBER) + b"%b",
    )
)
"""A SyncItem up to its Item."""
_HEAD_FIXED = len(_HEAD_FORM.replace(b"%b", b""))
_FORM = tag(PullResponse.ITEMS_FIELD_NUMBER) + b"%b" + _HEAD_FORM + _ITEM_FORM


def encode(rows: Iterable[Any], room: int, least: int) -> tuple[bytes, int]:
    """The entries of a PullResponse for rows like ``SyncRow``, as far as they fit into ``room`` bytes, and how many those are.

    The first ``least`` go along whether they fit or not.
    """
    last, more, form, item_fixed, head_fixed = _LAST, _MORE, _FORM, _ITEM_FIXED, _HEAD_FIXED
    state_heads, state_tag = _STATE_HEADS, _STATE_TAG
    parts: list[bytes] = []
    taken = 0
    for fill_key, item_id, folder_id, revision, content, uid, state, summary in rows:
        # Nearly all of these are found in the tables. A call for each would cost as much as all the rest.
        at = (
            last[revision]
            if revision < 0x4000
            else more[revision & 0x3FFF] + last[revision >> 14]
            if revision < 0x1000_0000
            else varint(revision)
        )
        number = last[uid] if uid < 0x4000 else more[uid & 0x3FFF] + last[uid >> 14] if uid < 0x1000_0000 else varint(uid)
        etag = at if content == revision else varint(content)
        if 0x2_0000_0000_0000 <= fill_key < 0x100_0000_0000_0000:  # eight bytes: the years 1987 to 4253
            key = more[fill_key & 0x3FFF] + more[fill_key >> 14 & 0x3FFF] + more[fill_key >> 28 & 0x3FFF] + last[fill_key >> 42]
        else:
            key = varint(fill_key)
        size, length = len(state), len(summary)
        state_head = state_heads[size] if size < 0x80 else state_tag + varint(size)
        summary_size = last[length] if length < 0x4000 else varint(length)
        size += length + item_fixed + len(at) + len(etag) + len(number) + len(state_head) + len(summary_size)
        item_size = last[size] if size < 0x4000 else varint(size)
        size += head_fixed + len(key) + len(item_size)
        entry_size = last[size] if size < 0x4000 else varint(size)
        room -= size + len(entry_size) + 1
        if room < 0 and taken >= least:
            break
        taken += 1
        parts.append(form % (entry_size, key, item_size, item_id, folder_id, at, etag, number, state_head, state, summary_size))
        parts.append(summary)
    return b"".join(parts), taken

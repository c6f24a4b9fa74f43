"""Reconcile: questions that make no sense are refused before anything is read; answers tell nothing of others."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2

from rookery.v1.sync_service_pb2 import ReconcileEntry, ReconcileLeaf, ReconcileRange, ReconcileRequest, ReconcileResponse
from tests.sync.rules.home import DELETED, Refusal, refusal

if TYPE_CHECKING:
    from tests.sync.rules.home import Device, Home

INVALID = code_pb2.INVALID_ARGUMENT
EMPTY = hashlib.sha256().digest()
LOW, MIDDLE, HIGH = b"\x10" * 16, b"\x80" * 16, b"\xf0" * 16


def part(after: bytes = b"", through: bytes = b"", digest: bytes = EMPTY, count: int = 0) -> ReconcileRange:
    """A range."""
    return ReconcileRange(after_id=after, through_id=through, digest=digest, count=count)


def leaf(*item_ids: bytes, after: bytes = b"", through: bytes = b"") -> ReconcileLeaf:
    """A leaf."""
    entries = [ReconcileEntry(item_id=item_id, revision=1) for item_id in item_ids]
    return ReconcileLeaf(after_id=after, through_id=through, entries=entries)


def ids(count: int) -> list[bytes]:
    """Ids in their order."""
    return [number.to_bytes(16, "big") for number in range(1, count + 1)]


def steps(count: int) -> list[ReconcileRange]:
    """Ranges, one behind the other."""
    return [part(first, last) for first, last in zip([b"", *ids(count)], ids(count), strict=False)]


HOSTILE: dict[str, tuple[ReconcileRequest, str, str]] = {
    "65 ranges": (ReconcileRequest(ranges=steps(65)), "LIMIT_EXCEEDED", "ranges"),
    "64 ranges and a leaf": (ReconcileRequest(ranges=steps(64), leaves=[leaf()]), "LIMIT_EXCEEDED", "ranges"),
    "100,000 leaves": (ReconcileRequest(leaves=[leaf()] * 100_000), "LIMIT_EXCEEDED", "ranges"),
    "a range twice": (ReconcileRequest(ranges=[part(LOW, HIGH)] * 2), "FIELD_INVALID", "ranges[1].after_id"),
    "overlapping ranges": (ReconcileRequest(ranges=[part(LOW, HIGH), part(MIDDLE)]), "FIELD_INVALID", "ranges[1].after_id"),
    "everything, and more": (ReconcileRequest(ranges=[part(), part(LOW)]), "FIELD_INVALID", "ranges[1].after_id"),
    "descending ranges": (ReconcileRequest(ranges=[part(MIDDLE), part(b"", MIDDLE)]), "FIELD_INVALID", "ranges[1].after_id"),
    "overlapping leaves": (
        ReconcileRequest(leaves=[leaf(after=LOW, through=HIGH), leaf(after=MIDDLE)]),
        "FIELD_INVALID",
        "leaves[1].after_id",
    ),
    "a reversed range": (ReconcileRequest(ranges=[part(HIGH, LOW)]), "FIELD_INVALID", "ranges[0].through_id"),
    "an empty range": (ReconcileRequest(ranges=[part(LOW, LOW)]), "FIELD_INVALID", "ranges[0].through_id"),
    "no digest": (ReconcileRequest(ranges=[part(digest=b"")]), "FIELD_INVALID", "ranges[0].digest"),
    "a short digest": (ReconcileRequest(ranges=[part(digest=EMPTY[:31])]), "FIELD_INVALID", "ranges[0].digest"),
    "a long digest": (ReconcileRequest(ranges=[part(digest=EMPTY * 1000)]), "FIELD_INVALID", "ranges[0].digest"),
    "a short id": (ReconcileRequest(ranges=[part(b"x")]), "ID_INVALID", "ranges[0].after_id"),
    "a long id": (ReconcileRequest(leaves=[leaf(through=b"x" * 17)]), "ID_INVALID", "leaves[0].through_id"),
    "an entry that is none": (ReconcileRequest(leaves=[leaf(b"x")]), "ID_INVALID", "leaves[0].entries.item_id"),
    "an entry twice": (ReconcileRequest(leaves=[leaf(LOW, LOW)]), "FIELD_INVALID", "leaves[0].entries"),
    "an entry outside": (ReconcileRequest(leaves=[leaf(LOW, after=MIDDLE)]), "FIELD_INVALID", "leaves[0].entries"),
    "501 entries": (ReconcileRequest(leaves=[leaf(*ids(501))]), "LIMIT_EXCEEDED", "leaves[0].entries"),
}


async def ask(device: Device, request: ReconcileRequest) -> ReconcileResponse:
    """One call."""
    return await device.home.sync.Reconcile(request, metadata=device.metadata)


async def test_what_makes_no_sense_is_refused(home: Home, device: Device) -> None:
    before = await home.everything()
    for name, (request, reason, field) in HOSTILE.items():
        assert await refusal(ask(device, request)) == Refusal(INVALID, reason, field), name
        # The session is not busy for ever.
        assert (await ask(device, ReconcileRequest(ranges=[part()]))).differing_ranges == [0], name
    assert await home.everything() == before


async def test_as_much_as_is_allowed_is_answered(home: Home, device: Device) -> None:
    answer = await ask(device, ReconcileRequest(ranges=steps(64)))
    assert list(answer.differing_ranges) == [] and list(answer.unread_ranges) == []
    made = ids(500)
    answer = await ask(device, ReconcileRequest(leaves=[leaf(*made)], include_folders=True))
    assert {each.item_id for each in answer.removals} == set(made)
    assert {each.item.id for each in answer.items} == set(await home.all_items())
    assert {each.id for each in answer.folders} == set(await home.all_folders())


async def test_a_count_that_no_device_can_have_is_a_difference(device: Device) -> None:
    for count in (2, 50_001, 1 << 40, (1 << 64) - 1):
        answer = await ask(device, ReconcileRequest(ranges=[part(count=count)]))
        assert (list(answer.differing_ranges), list(answer.unread_ranges)) == ([0], []), count


async def test_a_revision_that_nothing_can_have_is_put_right(home: Home, device: Device) -> None:
    ((item_id, item),) = (await home.all_items()).items()
    entries = [ReconcileEntry(item_id=item_id, revision=(1 << 64) - 1), ReconcileEntry(item_id=HIGH, revision=(1 << 64) - 1)]
    answer = await ask(device, ReconcileRequest(leaves=[ReconcileLeaf(entries=entries)]))
    assert [each.item for each in answer.items] == [item]
    assert [(each.item_id, each.reason) for each in answer.removals] == [(HIGH, DELETED)]


async def test_items_of_somebody_else_look_like_none(device: Device, neighbour: Home) -> None:
    theirs, nobody = next(iter(await neighbour.all_items())), neighbour.server.ids.new()
    answer = await ask(device, ReconcileRequest(leaves=[leaf(theirs, nobody)]))
    told = {each.item_id: (each.reason, each.revision) for each in answer.removals}
    assert told[theirs] == told[nobody]
    mailbox_id = neighbour.person.login.identity.mailbox_id
    missing = Refusal(code_pb2.NOT_FOUND, "MAILBOX_NOT_FOUND")
    assert await refusal(ask(device, ReconcileRequest(mailbox_id=mailbox_id, leaves=[leaf(theirs)]))) == missing


async def test_a_session_that_compares_twice_at_once_is_told_to_wait(home: Home, device: Device) -> None:
    request = ReconcileRequest(leaves=[leaf(*ids(500))], include_folders=True)

    async def one() -> Refusal | None:
        call: Any = ask(device, request)
        outcome = (await asyncio.gather(call, return_exceptions=True))[0]
        return await refusal(_raising(outcome)) if isinstance(outcome, BaseException) else None

    for _ in range(100):
        outcomes = await asyncio.gather(*(one() for _ in range(16)))
        assert None in outcomes and set(outcomes) <= {None, Refusal(code_pb2.UNAVAILABLE, "RECONCILE_BUSY")}
        if len(set(outcomes)) == 2:
            break
    else:
        raise AssertionError("no two calls ever met")
    other = await home.device("other")
    assert (await ask(other, request)).cursor and (await ask(device, request)).cursor


async def _raising(error: BaseException) -> None:
    raise error

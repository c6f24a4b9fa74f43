"""Of two versions the right one stays, whichever arrives first; and the other is kept where somebody wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.rpc import code_pb2

from rookery.v1 import item_pb2, sync_pb2, sync_service_pb2
from tests.sync.rules.home import APPLIED, CONFLICT, FOR_EVER, MERGED, REJECTED, SOFTLY, Home, Refusal, explained, refusal

if TYPE_CHECKING:
    from tests.sync.rules.home import Device

SUBJECT = "summary.subject"


@pytest.fixture
async def pair(home: Home) -> tuple[Device, Device]:
    """Two devices that have caught up, and hold one message."""
    await home.item(subject="As it was")
    devices = await home.device("phone"), await home.device("laptop")
    for device in devices:
        await device.news()
    return devices


def only(device: Device) -> item_pb2.Item:
    """The one item that the device holds."""
    (item,) = device.items.values()
    return item


async def test_an_older_version_that_arrives_after_a_newer_one_changes_nothing(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R1792, R1792001 (3.1.5.6.1), R1826 (3.1.5.6.2.2): the version that is there remains intact."""
    phone, laptop = pair
    item_id = only(phone).id
    newer, older = laptop.rename(item_id, "Newer", at=-10), phone.rename(item_id, "Older", at=-600)
    assert (await laptop.do(newer)).outcome == APPLIED
    before = await home.get(item_id)
    late = await phone.do(older)
    assert (late.outcome, list(late.lost_units)) == (CONFLICT, [SUBJECT])
    after = await home.get(item_id)
    assert (after.summary, after.content, after.content_revision) == (before.summary, before.content, before.content_revision)


async def test_a_version_that_was_taken_in_already_is_not_taken_in_again(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R1792 (3.1.5.6.1): one that the current version includes is ignored, though others have changed it since."""
    phone, laptop = pair
    item_id = only(phone).id
    edit = phone.rename(item_id, "From the phone", at=-10)
    first = await phone.do(edit)
    await laptop.news()
    assert (await laptop.do(laptop.rename(item_id, "From the laptop, later", at=-5))).outcome == APPLIED
    before = await home.everything()
    again = await phone.do(edit)
    assert again.duplicate and again.outcome == first.outcome == APPLIED and again.revision == first.revision
    assert await home.everything() == before
    assert (await home.get(item_id)).summary.subject == "From the laptop, later"


async def test_a_version_that_knew_the_other_replaces_it_whatever_the_clocks_say(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R1791 (3.1.5.6.1): a version that includes the other is the newer one."""
    phone, laptop = pair
    item_id = only(phone).id
    assert (await phone.do(phone.rename(item_id, "First"))).outcome == APPLIED
    await laptop.news()
    slow = await laptop.do(laptop.rename(item_id, "Second, by a clock that is years behind", at=-100_000_000))
    assert slow.outcome == APPLIED
    assert (await home.get(item_id)).summary.subject.startswith("Second") and await home.conflicts() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_the_last_writer_wins_in_whichever_order_they_arrive(
    home: Home, pair: tuple[Device, Device], order: tuple[int, int]
) -> None:
    """MS-OXCFXICS R1826 (3.1.5.6.2.2): the version with the most recent modification time wins. R2232: both are accepted."""
    item_id = only(pair[0]).id
    edits = [pair[0].rename(item_id, "Earlier", at=-600), pair[1].rename(item_id, "Later", at=-10)]
    outcomes = [(await pair[each].do(edits[each])).outcome for each in order]
    assert outcomes == [APPLIED, CONFLICT]
    assert (await home.get(item_id)).summary.subject == "Later"
    (kept,) = await home.conflicts()
    assert (kept.item_id, kept.device_id, kept.summary.subject) == (item_id, pair[0].session_id, "Earlier")
    for device in pair:
        await device.news()
        await device.require_equal()


async def test_versions_of_the_same_moment_are_decided_the_same_way_in_either_order(home: Home) -> None:
    """MS-OXCFXICS R1827, R1828 (3.1.5.6.2.2): the tie is broken by who wrote, byte for byte, not by who came first."""
    items = [await home.item(subject=f"Letter {number}") for number in range(2)]
    pair = await home.device("phone"), await home.device("laptop")
    for device in pair:
        await device.news()
    for item, order in zip(items, [(0, 1), (1, 0)], strict=True):
        edits = [device.rename(item.id, f"By {number}", at=-60) for number, device in enumerate(pair)]
        for each in order:
            await pair[each].do(edits[each])
    winner = max(range(2), key=lambda number: pair[number].session_id)
    assert [(await home.get(item.id)).summary.subject for item in items] == [f"By {winner}"] * 2


async def test_a_device_that_would_rather_be_told_writes_nothing(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R2231 (3.2.5.9.4.2), R3220 (FailOnConflict): no conflicting version is accepted, no data was imported."""
    phone, laptop = pair
    item_id = only(phone).id
    await laptop.do(laptop.rename(item_id, "First"))
    before = await home.everything()
    result = await phone.do(phone.rename(item_id, "Second", conflict_policy=sync_pb2.CONFLICT_POLICY_FAIL))
    assert result.outcome == REJECTED
    assert explained(result.error)[:2] == (code_pb2.ABORTED, "STALE_ETAG")
    assert await home.everything() == before


async def test_the_version_that_lost_is_kept_and_can_be_listed_read_and_restored(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R1839, R1837 (3.1.5.6.3), R3400: the conflicting versions stay, for somebody to decide by hand."""
    phone, laptop = pair
    item_id = only(phone).id
    await laptop.do(laptop.rename(item_id, "Later", at=-10))
    assert (await phone.do(phone.rename(item_id, "Earlier", at=-600))).outcome == CONFLICT
    (listed,) = await home.conflicts()
    assert (listed.device_name, list(listed.units), listed.item_life) == ("phone", [SUBJECT], item_pb2.ITEM_LIFE_LIVE)
    names = {"item_id": item_id, "device_id": phone.session_id}
    read = await home.ask(home.sync.GetConflict, sync_service_pb2.GetConflictRequest(**names))
    assert read.conflict.summary.subject == "Earlier" and read.conflict.content.body.text == "How are you?"
    await home.ask(home.sync.RestoreConflict, sync_service_pb2.RestoreConflictRequest(**names))
    assert (await home.get(item_id)).summary.subject == "Earlier"
    assert await home.conflicts() == []
    gone = await refusal(home.ask(home.sync.GetConflict, sync_service_pb2.GetConflictRequest(**names)))
    assert gone[:2] == (code_pb2.NOT_FOUND, "CONFLICT_NOT_FOUND")
    for device in pair:
        await device.news()
        await device.require_equal()


async def test_what_does_not_touch_does_not_conflict(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R1925 (3.2.5.7): each group of properties has its own number; so edits of two come together."""
    phone, laptop = pair
    item_id = only(phone).id
    text = laptop.operation()
    text.update_item.item.id = item_id
    text.update_item.item.content.body.text = "I am well."
    text.update_item.update_mask.paths.append("content.body")
    marked = phone.operation()
    marked.set_item_state.item_ids.append(item_id)
    marked.set_item_state.read = False
    assert (await laptop.do(text)).outcome == APPLIED
    assert [each.outcome for each in await phone.push(phone.rename(item_id, "Renamed"), marked)] == [MERGED, APPLIED]
    found = await home.get(item_id)
    assert (found.summary.subject, found.content.body.text, found.state.read) == ("Renamed", "I am well.", False)
    assert await home.conflicts() == []


async def test_numbers_of_changes_only_grow(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R3396 (3.1.5.5), R1906 (3.1.5.3): every change takes a number greater than any before."""
    phone, _ = pair
    item_id = only(phone).id
    last = await home.revision()
    for number in range(4):
        for device in pair:
            await device.news()
            result = await device.do(device.rename(item_id, f"Name {number} of {device.session_id.hex()}"))
            assert result.revision == last + 1 == await home.revision()
            assert result.item.revision == result.item.content_revision == result.revision
            last = result.revision
    told = await phone.news()
    assert [each.item.revision for each in told.items] == [last]


async def test_what_a_device_did_itself_comes_back_harmlessly(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R2246, R2260 (3.2.5.9.4) keep a client from being sent its own changes; here they come, and say what is so."""
    phone, _ = pair
    item_id, made = only(phone).id, home.server.ids.new()
    results = await phone.push(phone.rename(item_id, "Mine"), phone.creation(made, "Mine too"))
    told = await phone.news()
    assert {each.item.id: each.item for each in told.items} == {each.item.id: each.item for each in results}
    assert told.removals == [] and told.changes == []
    await phone.require_equal()


async def test_both_see_how_a_conflict_was_settled(home: Home, pair: tuple[Device, Device]) -> None:
    """MS-OXCFXICS R2237, R2239001 (3.2.5.9.4.3), R1804: success for both, and both download the successor of both versions."""
    phone, laptop = pair
    item_id = only(phone).id
    results = [
        await phone.do(phone.rename(item_id, "Earlier", at=-600)),
        await laptop.do(laptop.rename(item_id, "Later", at=-10)),
    ]
    assert not any(result.HasField("error") for result in results)
    for device in pair:
        await device.news()
        assert only(device).summary.subject == "Later" and only(device).revision > results[0].revision
    settled = await phone.do(phone.rename(item_id, "Settled, which saw both", at=-3000))
    assert settled.outcome == APPLIED


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_an_edit_of_what_somebody_deleted_meanwhile_is_kept_and_revives_nothing(
    home: Home, pair: tuple[Device, Device], mode: int
) -> None:
    """MS-OXCFXICS R2251 (3.2.5.9.4.5): an import does not restore what was deleted; and R1839: but it is not thrown away either."""
    phone, laptop = pair
    item_id = only(phone).id
    await laptop.do(laptop.deletion(mode, item_id))  # type: ignore[arg-type]
    result = await phone.do(phone.rename(item_id, "Written on a train"))
    assert (result.outcome, list(result.lost_units)) == (CONFLICT, [SUBJECT])
    assert await home.all_items() == {}
    (kept,) = await home.conflicts()
    assert kept.summary.subject == "Written on a train"
    if mode == FOR_EVER:
        assert await refusal(home.get(item_id)) == Refusal(code_pb2.NOT_FOUND, "ITEM_NOT_FOUND", "item_id")
    else:
        assert (await home.get(item_id)).life == item_pb2.ITEM_LIFE_RECOVERABLE

"""Scopes that are none, or too many: refused by every call that takes one, each time with the field that is wrong."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1.sync_pb2 import SyncScope, SyncWindow
from tests.sync.rules.home import Device, Home, Refusal, refusal

INVALID = code_pb2.INVALID_ARGUMENT
DAY = 86_400


def window(**limits: Timestamp) -> SyncScope:
    """A scope with a window."""
    return SyncScope(window=SyncWindow(**limits))


def with_numbers(scope: SyncScope, name: str, *numbers: int) -> SyncScope:
    """A scope with numbers that the generated types would not let through."""
    getattr(scope, name).extend(numbers)
    return scope


def with_depth(number: int) -> SyncScope:
    """A scope with a depth that there is not."""
    scope = SyncScope()
    scope.depth = number  # type: ignore[assignment]
    return scope


HOSTILE = {
    "10,000 folders": (SyncScope(folder_ids=[bytes([n % 251]) * 16 for n in range(10_000)]), "LIMIT_EXCEEDED", "scope.folder_ids"),
    "one folder, 1,001 times": (SyncScope(folder_ids=[b"f" * 16] * 1001), "LIMIT_EXCEEDED", "scope.folder_ids"),
    "an empty id": (SyncScope(folder_ids=[b"f" * 16, b""]), "ID_INVALID", "scope.folder_ids[1]"),
    "a short id": (SyncScope(folder_ids=[b"f" * 15]), "ID_INVALID", "scope.folder_ids[0]"),
    "a long id": (SyncScope(folder_ids=[b"f" * 17]), "ID_INVALID", "scope.folder_ids[0]"),
    "a huge id": (SyncScope(folder_ids=[b"f" * 100_000]), "ID_INVALID", "scope.folder_ids[0]"),
    "no kind": (with_numbers(SyncScope(), "kinds", 0), "FIELD_INVALID", "scope.kinds[0]"),
    "an unknown kind": (with_numbers(SyncScope(), "kinds", 1, 99), "FIELD_INVALID", "scope.kinds[1]"),
    "a negative kind": (with_numbers(SyncScope(), "kinds", -1), "FIELD_INVALID", "scope.kinds[0]"),
    "an unknown depth": (with_depth(99), "FIELD_INVALID", "scope.depth"),
    "too much text": (SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT, text_bytes=(1 << 20) + 1), "LIMIT_EXCEEDED", "scope.text_bytes"),
    "4 GiB of text": (SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT, text_bytes=(1 << 32) - 1), "LIMIT_EXCEEDED", "scope.text_bytes"),
    "a reversed window": (
        window(events_from=Timestamp(seconds=2 * DAY), events_until=Timestamp(seconds=DAY)),
        "FIELD_INVALID",
        "scope.window.events_until",
    ),
    "an empty window": (
        window(events_from=Timestamp(seconds=DAY), events_until=Timestamp(seconds=DAY)),
        "FIELD_INVALID",
        "scope.window.events_until",
    ),
    "a time after all times": (window(mail_since=Timestamp(seconds=1 << 62)), "FIELD_INVALID", "scope.window.mail_since"),
    "a time before all times": (window(events_from=Timestamp(seconds=-(1 << 62))), "FIELD_INVALID", "scope.window.events_from"),
    "negative nanoseconds": (window(events_until=Timestamp(nanos=-1)), "FIELD_INVALID", "scope.window.events_until"),
}


def calls(home: Home, metadata: Any, scope: SyncScope, **fields: Any) -> list[Any]:
    """Every call that takes a scope."""
    pull = sync_service_pb2.PullRequest(scope=scope, **fields)
    return [
        home.sync.PullBatch(sync_service_pb2.PullBatchRequest(pull=pull), metadata=metadata),
        home.sync.Pull(pull, metadata=metadata).read(),
        home.sync.Reconcile(sync_service_pb2.ReconcileRequest(scope=scope, **fields), metadata=metadata),
    ]


async def test_a_scope_that_is_none_is_refused_with_the_field_that_is_wrong(home: Home, device: Device) -> None:
    before = await home.everything()
    for name, (scope, reason, field) in HOSTILE.items():
        for call in calls(home, device.metadata, scope):
            refused = await refusal(call)
            assert refused[:2] == (INVALID, reason) and refused.field in {field, f"pull.{field}"}, name
    assert await home.everything() == before


async def test_a_mailbox_id_that_is_none_is_refused(home: Home, device: Device) -> None:
    wrong = Refusal(INVALID, "ID_INVALID", "mailbox_id")
    for mailbox_id in (b"m", b"m" * 15, b"m" * 17, b"m" * 10_000):
        assert [await refusal(call) for call in calls(home, device.metadata, SyncScope(), mailbox_id=mailbox_id)] == [wrong] * 3


async def test_a_mailbox_of_somebody_else_and_none_look_the_same(home: Home, device: Device, neighbour: Home) -> None:
    none = Refusal(code_pb2.NOT_FOUND, "MAILBOX_NOT_FOUND")
    for mailbox_id in (neighbour.person.login.identity.mailbox_id, home.server.ids.new(), bytes(16), b"\xff" * 16):
        assert [await refusal(call) for call in calls(home, device.metadata, SyncScope(), mailbox_id=mailbox_id)] == [none] * 3


async def test_folders_that_are_not_there_hold_nothing(home: Home, neighbour: Home) -> None:
    foreign = [each.folder_id for each in (await neighbour.all_items()).values()]
    nowhere = [bytes(16), b"\xff" * 16, *foreign, *(home.server.ids.new() for _ in range(997))]
    assert len(nowhere) == 1000
    hidden = await home.item()
    await home.delete(item_service_pb2.DELETE_MODE_RECOVERABLE, hidden.id)
    device = await home.device("curious", SyncScope(folder_ids=nowhere))
    told = await device.news()
    assert told.of_items == []
    assert {folder.id for folder in told.folders} == set(await home.all_folders())
    await home.restore(hidden.id)
    await home.delete(item_service_pb2.DELETE_MODE_RECOVERABLE, hidden.id)
    assert (await device.news()).of_items == []


async def test_offers_that_nobody_knows_are_not_taken(home: Home) -> None:
    device = await home.device("ahead of its time", SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL))
    request = with_encodings(device.request())
    batch = (await home.sync.PullBatch(sync_service_pb2.PullBatchRequest(pull=request), metadata=device.metadata)).batch
    (told,) = batch.items
    assert item_pb2.ItemContent.FromString(told.content).body.text


def with_encodings(request: sync_service_pb2.PullRequest) -> sync_service_pb2.PullRequest:
    """Offers encodings of a later version."""
    numbers: Any = [99, -1, 70_000]
    request.accept_encodings.extend(numbers)
    return request

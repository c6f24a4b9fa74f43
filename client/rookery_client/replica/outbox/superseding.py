"""What waits and was overtaken by what the person did after it: nobody is to get a letter that the next one takes back.

Only what the server can not have got yet is left out. So of two answers given offline the last is told, and a meeting that is sent
and called off before anybody heard of it is told to nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.storage import operations, schema
from rookery_core.rules import mail_addresses

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.storage.operations import Recorded


def leave_out(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Takes those operations out of the outbox that one which is about to be recorded makes needless."""
    is_overtaken = _RULES.get(operation.WhichOneof("action") or "")
    if is_overtaken is None:
        return
    item_id = getattr(operation, operation.WhichOneof("action") or "").item_id
    seqs = operations.live_of_items(connection, [item_id]).get(item_id, [])
    over = [operations.numbered(connection, seq) for seq in seqs]
    for index, recorded in enumerate(over):
        waits = recorded.status == schema.WAITING and not recorded.sent
        if waits and is_overtaken(recorded, operation, over[index + 1 :]):
            operations.remove(connection, recorded.seq)


def _by_sending(earlier: Recorded, operation: SyncOperation, between: list[Recorded]) -> bool:
    del operation, between
    return earlier.action == "send_meeting" and not earlier.operation.send_meeting.comment


def _by_calling_off(earlier: Recorded, operation: SyncOperation, between: list[Recorded]) -> bool:
    del between
    return earlier.action in {"send_meeting", "forward_meeting"} and not operation.cancel_meeting.HasField("occurrence")


def _by_an_answer(earlier: Recorded, operation: SyncOperation, between: list[Recorded]) -> bool:
    """To the same thing; but the same answer once more does not take back what went with it."""
    del between
    before, now = earlier.operation.respond_to_meeting, operation.respond_to_meeting
    if earlier.action != "respond_to_meeting" or before.occurrence != now.occurrence:
        return False
    says_more = now.comment or now.HasField("proposed_start") or before.response != now.response
    return bool(says_more or not (before.comment or before.HasField("proposed_start")))


def _by_an_assignment(earlier: Recorded, operation: SyncOperation, between: list[Recorded]) -> bool:
    del between
    before, now = earlier.operation.assign_task, operation.assign_task
    is_same = mail_addresses.key_of(before.to.address) == mail_addresses.key_of(now.to.address)
    return earlier.action == "assign_task" and bool(now.comment or not before.comment or not is_same)


def _by_an_answer_to_a_task(earlier: Recorded, operation: SyncOperation, between: list[Recorded]) -> bool:
    """Unless it was handed on in between, which only one does who has accepted it."""
    is_same = earlier.operation.respond_to_task.response == operation.respond_to_task.response
    is_answer = earlier.action == "respond_to_task" and not is_same
    return is_answer and not any(each.action == "assign_task" for each in between)


_RULES: dict[str, Callable[[Recorded, SyncOperation, list[Recorded]], bool]] = {
    "send_meeting": _by_sending,
    "cancel_meeting": _by_calling_off,
    "respond_to_meeting": _by_an_answer,
    "assign_task": _by_an_assignment,
    "respond_to_task": _by_an_answer_to_a_task,
}
"""By action: whether it overtakes an earlier operation on the same item, given what was done to it in between."""

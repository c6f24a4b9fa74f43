"""A mailbox in memory that a replica's engine can synchronise with, and whose network fails when a test says so."""

from __future__ import annotations

import asyncio
import copy
import hashlib
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2

from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import Item, ItemKind, ItemLife
from rookery.v1.submission_pb2 import Submission, SubmissionState
from rookery.v1.sync_pb2 import (
    ContentExtent,
    ItemChange,
    ItemRemoval,
    PushOutcome,
    PushResult,
    RemovalReason,
    SyncItem,
    SyncOperation,
    SyncProgress,
)
from rookery.v1.sync_service_pb2 import PullRequest, PullResponse, ReconcileRequest, ReconcileResponse
from rookery_core.errors import FailedPrecondition, RookeryError
from tests.support.client_fakes import status_of
from tests.support.fakes import SequentialIds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

INBOX = b"\x01" * 16


@dataclass
class Fault:
    """How a call fails: with which error, after so many batches of a stream, before or after the work was done."""

    error: RookeryError
    after: int = 0
    lost: bool = False


@dataclass
class Held:
    """An item of the mailbox, with the revisions at which it came and its parts changed."""

    item: Item
    created: int
    content: int
    state: int


class SmallMailbox:
    """A ``SyncTransport`` with the mailbox behind it: messages in one folder, each change with a revision of its own."""

    def __init__(self, *, page: int = 3) -> None:
        self.page = page
        self.ids = SequentialIds(stream=7)
        self.epoch = b"e" * 16
        self.revision = 1
        self.oldest = 0
        self.backup_revision = 0
        self.began = 0
        self.folders = {INBOX: Folder(id=INBOX, name="Inbox", role=FolderRole.FOLDER_ROLE_INBOX, revision=1, contents_revision=1)}
        self.items: dict[bytes, Held] = {}
        self.gone: dict[bytes, int] = {}
        self.submissions: dict[bytes, Submission] = {}
        self.delivered: list[bytes] = []
        """Submissions that were handed over, each time; other people's mailboxes are not restored with this one."""
        self.ledger: dict[bytes, PushResult] = {}
        self.uploads: dict[bytes, bytes] = {}
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.calls: list[tuple[str, Any]] = []
        self.batches = 0
        self._grown = asyncio.Event()
        self._backup: tuple[int, dict[bytes, Held], dict[bytes, PushResult], dict[bytes, Submission]] = (0, {}, {}, {})

    # What happens to the mailbox by other hands.

    def add(self, subject: str, *, item_id: bytes = b"") -> bytes:
        """A new message."""
        self.revision += 1
        item = Item(id=item_id or self.ids.new(), folder_id=INBOX, uid=len(self.items) + 1, life=ItemLife.ITEM_LIFE_LIVE)
        item.revision = item.content_revision = self.revision
        item.summary.kind = ItemKind.ITEM_KIND_MESSAGE
        item.summary.subject = subject
        item.content.body.text = f"The text of {subject}."
        self.items[item.id] = Held(item, self.revision, self.revision, self.revision)
        self._tell()
        return item.id

    def mark(self, item_id: bytes, *, read: bool = True) -> None:
        """A mark."""
        self.revision += 1
        held = self.items[item_id]
        held.item.state.read = read
        held.state = held.item.revision = self.revision
        self._tell()

    def edit(self, item_id: bytes, subject: str) -> None:
        """Another subject."""
        self.revision += 1
        held = self.items[item_id]
        held.item.summary.subject = subject
        held.content = held.item.revision = held.item.content_revision = self.revision
        self._tell()

    def delete(self, *item_ids: bytes) -> None:
        """Some are gone."""
        for item_id in item_ids:
            self.revision += 1
            del self.items[item_id]
            self.gone[item_id] = self.revision
        self._tell()

    def forget(self) -> None:
        """What happened until now is not remembered any more."""
        self.oldest = self.revision
        self.gone.clear()

    def back_up(self) -> None:
        """Keeps everything as it is now."""
        self._backup = copy.deepcopy((self.revision, self.items, self.ledger, self.submissions))

    def restore_from_backup(self) -> None:
        """A disaster: all that happened after the backup is lost, and a new epoch begins."""
        before = self.revision
        self.backup_revision, self.items, self.ledger, self.submissions = copy.deepcopy(self._backup)
        self.gone.clear()
        self.revision = before + 1_000_000
        self.epoch, self.began = self.ids.new(), self.revision

    def tell(self, submission: Submission) -> None:
        """A submission has changed."""
        self.revision += 1
        submission.revision = self.revision
        self.submissions[submission.id] = submission
        self._tell()

    def fail(self, call: str, error: RookeryError, *, times: int = 1, after: int = 0, lost: bool = False) -> None:
        """Lets the next calls fail: a stream after so many batches, another before its work or, `lost`, after it."""
        self.faults[call].extend([Fault(error, after, lost)] * times)

    def subjects(self) -> list[str]:
        """All subjects, sorted."""
        return sorted(held.item.summary.subject for held in self.items.values())

    def asked(self, call: str) -> list[Any]:
        """The arguments of the calls so named."""
        return [argument for name, argument in self.calls if name == call]

    def _tell(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    # The calls.

    async def pull(self, request: PullRequest) -> AsyncGenerator[PackedPullResponse, None]:
        """The fill by fill key, newest first, then what came since."""
        self.calls.append(("pull", request.cursor))
        fault = self._fault("pull")
        base, filled = self._position(request.cursor)
        sent, told = 0, False
        while True:
            if fault is not None and sent == fault.after:
                raise fault.error
            if filled is not None:
                batch, filled = self._filling(base, filled)
            else:
                while told and self.revision == base:
                    await self._grown.wait()
                batch, base = self._tail(base)
                told = told or batch.caught_up
            sent += 1
            self.batches += 1
            yield PackedPullResponse.FromString(batch.SerializeToString())
            if told and not request.follow:
                return

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """Creates, edits, marks, deletes, sends and calls back."""
        if epoch not in {b"", self.epoch}:
            raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup")
        self.calls.append(("push", [operation.operation_id for operation in operations]))
        fault = self._fault("push") if operations else None
        if fault is not None and not fault.lost:
            raise fault.error
        results = [self._carried_out(operation) for operation in operations]
        if fault is not None:
            raise fault.error
        return results

    async def reconcile(self, request: ReconcileRequest) -> PackedReconcileResponse:
        """Tells which ranges differ, and sets leaves right."""
        self.calls.append(("reconcile", request))
        fault = self._fault("reconcile")
        if fault is not None:
            raise fault.error
        response = ReconcileResponse(
            cursor=self._cursor(self.revision, None),
            revision=self.revision,
            epoch=self.epoch,
            backup_revision=self.backup_revision,
            folders=self.folders.values() if request.include_folders else (),
        )
        assert len(request.ranges) + len(request.leaves) <= 64
        for index, asked in enumerate(request.ranges):
            here = self._between(asked.after_id, asked.through_id)
            if (asked.count, asked.digest) != (len(here), _digest(here)):
                response.differing_ranges.append(index)
        room = 2 * self.page
        for index, leaf in enumerate(request.leaves):
            assert len(leaf.entries) <= 500
            there = {entry.item_id: entry.revision for entry in leaf.entries}
            here = self._between(leaf.after_id, leaf.through_id)
            lacking = [held for held in here if there.get(held.item.id) != held.item.revision]
            response.items.extend(_whole(held) for held in lacking[:room])
            for item_id in sorted(there.keys() - self.items.keys()):
                # Of what was lost nothing is remembered.
                revision = 0 if self.backup_revision < there[item_id] < self.began else self.revision
                reason = RemovalReason.REMOVAL_REASON_DELETED
                response.removals.append(ItemRemoval(item_id=item_id, revision=revision, reason=reason))
            room -= len(lacking)
            if room < 0:
                response.unread_leaves.extend(range(index, len(request.leaves)))
                break
        return PackedReconcileResponse.FromString(response.SerializeToString())

    async def upload(self, upload_id: bytes, data: bytes) -> None:
        """Keeps the bytes."""
        self.calls.append(("upload", upload_id))
        fault = self._fault("upload")
        if fault is not None:
            raise fault.error
        self.uploads[upload_id] = data

    # What stands behind them.

    def _fault(self, call: str) -> Fault | None:
        return self.faults[call].popleft() if self.faults[call] else None

    def _cursor(self, base: int, filled: str | None) -> str:
        return f"{self.epoch.hex()}:{base}:{'.' if filled is None else filled}"

    def _position(self, cursor: str) -> tuple[int, str | None]:
        """The base, and behind which item the fill goes on; None where it is finished."""
        if not cursor:
            return self.revision, ""
        epoch, base, filled = cursor.split(":")
        if epoch != self.epoch.hex():
            raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup")
        if int(base) < self.oldest:
            raise FailedPrecondition("CURSOR_EXPIRED", "the cursor is too old")
        return int(base), None if filled == "." else filled

    def _batch(self, base: int, filled: str | None, **fields: Any) -> PullResponse:
        return PullResponse(cursor=self._cursor(base, filled), revision=self.revision, epoch=self.epoch, **fields)

    def _filling(self, base: int, filled: str) -> tuple[PullResponse, str | None]:
        order = sorted(self.items, reverse=True)
        left = [item_id for item_id in order if not filled or item_id.hex() < filled]
        now, more = left[: self.page], len(left) > self.page
        progress = SyncProgress(done=len(order) - len(left) + len(now), total=len(order))
        filled_now = now[-1].hex() if more else None
        items = [_whole(self.items[item_id]) for item_id in now]
        folders = [] if filled else self.folders.values()
        return self._batch(base, filled_now, items=items, progress=progress, folders=folders), filled_now

    def _tail(self, base: int) -> tuple[PullResponse, int]:
        entries: list[tuple[int, bytes]] = [(held.item.revision, item_id) for item_id, held in self.items.items()]
        entries += [(revision, item_id) for item_id, revision in self.gone.items()]
        later = sorted(entry for entry in entries if entry[0] > base)
        now, caught_up = later[: self.page], len(later) <= self.page
        sent = [each for each in self.submissions.values() if each.revision > base]
        batch = self._batch(self.revision if caught_up else now[-1][0], None, caught_up=caught_up, submissions=sent)
        for revision, item_id in now:
            held = self.items.get(item_id)
            if held is None:
                reason = RemovalReason.REMOVAL_REASON_DELETED
                batch.removals.append(ItemRemoval(item_id=item_id, revision=revision, reason=reason))
            elif held.content > base:
                batch.items.append(_whole(held))
            else:
                batch.changes.append(ItemChange(item_id=item_id, revision=revision, state=held.item.state))
        return batch, self.revision if caught_up else now[-1][0]

    def _carried_out(self, operation: SyncOperation) -> PushResult:
        known = self.ledger.get(operation.operation_id)
        if known is not None:
            again = PushResult(duplicate=True)
            again.MergeFrom(known)
            return again
        actions: dict[str | None, Callable[[Any], PushResult]] = {
            "create_item": self._create,
            "update_item": self._update,
            "set_item_state": self._set_state,
            "delete_items": self._delete,
            "submit": self._submit,
            "cancel_submission": self._cancel,
        }
        action = operation.WhichOneof("action")
        result = actions[action](getattr(operation, str(action)))
        result.operation_id = operation.operation_id
        result.revision = self.revision
        self.ledger[operation.operation_id] = result
        return result

    def _create(self, request: Any) -> PushResult:
        if request.item.summary.subject == "Refuse me":
            error = status_of(code_pb2.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED", "that is too much")
            return PushResult(outcome=PushOutcome.PUSH_OUTCOME_REJECTED, error=error)
        self.add(request.item.summary.subject, item_id=request.item.id)
        self.items[request.item.id].item.summary.message.draft = request.item.summary.message.draft
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED)

    def _update(self, request: Any) -> PushResult:
        self.edit(request.item.id, request.item.summary.subject)
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED)

    def _set_state(self, request: Any) -> PushResult:
        for item_id in request.item_ids:
            self.mark(item_id, read=request.read)
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED)

    def _delete(self, request: Any) -> PushResult:
        self.delete(*(item_id for item_id in request.item_ids if item_id in self.items))
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED)

    def _submit(self, request: Any) -> PushResult:
        held = self.items.get(request.item_id)
        if held is None or not held.item.summary.message.draft or request.submission_id in self.submissions:
            return _refused("NOT_A_DRAFT")
        held.item.summary.message.draft = False
        self.edit(request.item_id, held.item.summary.subject)
        state = SubmissionState.SUBMISSION_STATE_HELD
        self.tell(Submission(id=request.submission_id, item_id=request.item_id, state=state))
        self.delivered.append(request.submission_id)
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED, submission=self.submissions[request.submission_id])

    def _cancel(self, request: Any) -> PushResult:
        submission = self.submissions.get(request.submission_id)
        if submission is None:
            return _refused("SUBMISSION_NOT_FOUND")
        held = self.items[submission.item_id]
        held.item.summary.message.draft = True
        self.edit(submission.item_id, held.item.summary.subject)
        submission.state = SubmissionState.SUBMISSION_STATE_CANCELLED
        self.tell(submission)
        return PushResult(outcome=PushOutcome.PUSH_OUTCOME_APPLIED, submission=submission)

    def _between(self, after: bytes, through: bytes) -> list[Held]:
        return [self.items[item_id] for item_id in sorted(self.items) if item_id > after and (not through or item_id <= through)]


def _refused(reason: str) -> PushResult:
    error = status_of(code_pb2.FAILED_PRECONDITION, reason, "that can not be")
    return PushResult(outcome=PushOutcome.PUSH_OUTCOME_REJECTED, error=error)


def _whole(held: Held) -> SyncItem:
    item = Item()
    item.CopyFrom(held.item)
    content = item.content.SerializeToString()
    item.ClearField("content")
    return SyncItem(item=item, content=content, extent=ContentExtent.CONTENT_EXTENT_FULL, fill_key=held.created)


def _digest(held: list[Held]) -> bytes:
    return hashlib.sha256(b"".join(each.item.id + each.item.revision.to_bytes(8, "big") for each in held)).digest()

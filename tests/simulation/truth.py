"""What everybody wrote, and whether it is there: in the mailbox, in a conflict, under a later edit, or refused with a reason."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.rpc import error_details_pb2

from rookery.v1.sync_pb2 import PUSH_OUTCOME_REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rookery.v1.item_pb2 import Item
    from rookery.v1.item_service_pb2 import UpdateItemRequest
    from rookery.v1.sync_pb2 import Conflict, PushResult, SyncOperation
    from tests.simulation.devices import Device

SUBJECT, BODY = "summary.subject", "body"
_CONFLICT_DAYS = 85
"""For how long a conflict is kept at least, and nothing of the days between those that are passed over counts."""
_AHEAD = 1 << 62
"""A base that has seen everything: who edits on the server itself."""


@dataclass(eq=False)
class Edit:
    """A value that somebody gave one unit of an item."""

    device_id: bytes
    operation_id: bytes
    item_id: bytes
    unit: str
    value: str
    base: int
    order: int
    acknowledged: int = 0
    """The revision that it was first answered with; 0 while nobody has heard of an answer."""
    epoch: int = 0
    """Of an edit on the server itself: where it is gone with a restore that came after it."""
    mine: bool = True
    """By a device, which offers it again."""
    seen_by: list[range] = field(default_factory=list)
    """Bases of before a restore that had it in view; the answer to it may have been lost, and it was carried out again later."""
    excused: bool = False
    """The server was restored, and nobody offered it again in time; or it may have been in a conflict that is forgotten by now."""
    day: int = 0
    """When it was made: so many days had been passed over."""


@dataclass
class Mailbox:
    """All that the server has in the end."""

    live: Mapping[bytes, Item]
    recoverable: Mapping[bytes, Item]
    purged: frozenset[bytes]
    conflicts: Sequence[Conflict]


@dataclass
class Truth:
    """Everything that was recorded."""

    edits: list[Edit] = field(default_factory=list)
    created: dict[bytes, Edit] = field(default_factory=dict)
    """Items that devices made, by id."""
    deleted: list[bytes] = field(default_factory=list)
    """Items that somebody deleted at some time."""
    bytes_of: dict[str, bytes] = field(default_factory=dict)
    """Attachments by name."""
    submitted: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    """Mail that was sent, by device: submissions, with the operations that hand them over."""
    taken_back: set[bytes] = field(default_factory=set)
    """Submissions that were taken out of an outbox before any server had heard of them."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why operations were refused."""
    restored_from: int = 0
    """The revision of the backup that the server was restored from last."""
    _days: int = 0
    _new_items: list[bytes] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def recorded(self, device: Device, operation: SyncOperation) -> None:
        """A device has this in its outbox."""
        match operation.WhichOneof("action"):
            case "create_item":
                item = operation.create_item.item
                self.created[item.id] = self._add(device, operation, item.id, SUBJECT, item.summary.subject)
                self._add(device, operation, item.id, BODY, item.content.body.text)
                self._new_items.append(item.id)
            case "update_item":
                for unit, value in _values(operation.update_item):
                    self._add(device, operation, operation.update_item.item.id, unit, value)
                for attachment in operation.update_item.list_edits.add_attachments:
                    self._add(device, operation, operation.update_item.item.id, "attachment", attachment.name)
            case "set_item_state":
                for item_id in operation.set_item_state.item_ids:
                    for name in operation.set_item_state.add_categories:
                        self._add(device, operation, item_id, "category", name)
            case "submit":
                self.submitted.setdefault(device.name, {})[operation.submit.submission_id] = operation.operation_id
            case "delete_items":
                self.deleted += operation.delete_items.item_ids

    def edited_here(self, session_id: bytes, request: UpdateItemRequest, epoch: int) -> list[Edit]:
        """Somebody edits on the server itself, and may or may not hear that it is done."""
        found = [
            Edit(session_id, request.operation_id, request.item.id, unit, value, _AHEAD, next(self._order), epoch=epoch, mine=False)
            for unit, value in _values(request)
        ]
        for edit in found:
            edit.day = self._days
        self.edits += found
        return found

    def withdraw(self, edits: Iterable[Edit]) -> None:
        """They were refused."""
        for edit in edits:
            self.edits.remove(edit)

    def attached(self, name: str, data: bytes) -> None:
        """An attachment has these bytes."""
        self.bytes_of[name] = data

    def take_new_items(self) -> list[bytes]:
        """Items that were made since the last time."""
        found, self._new_items = self._new_items, []
        return found

    def restored(self, revision: int) -> None:
        """The server went back to a revision: what was done there later and by no device is gone."""
        self.restored_from = revision
        for edit in self.edits:
            if not edit.mine and (not edit.acknowledged or edit.acknowledged > revision):
                edit.acknowledged = 0

    def days_passed(self, days: int) -> None:
        """Devices do not offer again after a restore what was answered over two weeks ago, and conflicts are kept for 90 days."""
        self._days += days
        for edit in self.edits:
            edit.excused = edit.excused or self.restored_from > 0 or self._days - edit.day > _CONFLICT_DAYS

    def require_nothing_lost(
        self,
        mailbox: Mailbox,
        answers: Mapping[bytes, PushResult],
        first_revisions: Mapping[bytes, int],
        carried_out: Iterable[tuple[bytes, range]],
    ) -> None:
        """Every edit that was acknowledged is somewhere.

        ``answers``: the last answer to each operation of a device. ``first_revisions``: of the first answers, before a restore.
        ``carried_out``: what the server had carried out before a restore, with the revisions at which that was in view.
        """
        bases: dict[bytes, list[range]] = {}
        for operation_id, revisions in carried_out:
            bases.setdefault(operation_id, []).append(revisions)
        for edit in self.edits:
            edit.seen_by = bases.get(edit.operation_id, [])
        versions: dict[bytes, list[Conflict]] = {}
        for conflict in mailbox.conflicts:
            versions.setdefault(conflict.item_id, []).append(conflict)
        rejected = self._settle(answers, first_revisions)
        for edit in self.edits:
            if edit.operation_id in rejected or edit.excused or not edit.acknowledged:
                continue
            item = mailbox.live.get(edit.item_id) or mailbox.recoverable.get(edit.item_id)
            if edit.item_id in mailbox.purged or (item is not None and _has(item, edit)):
                assert edit.item_id not in mailbox.live or edit.item_id not in mailbox.purged
                continue
            if any(_version_has(version, edit) for version in versions.get(edit.item_id, ())):
                continue
            if self._is_missing(edit, answers) or (item is not None and self._is_superseded(edit, item, rejected)):
                continue
            where = "is not there at all" if item is None else f"has {_read(item, edit.unit)!r}"
            raise AssertionError(f"lost: {edit}; the item {where}")

    def _settle(self, answers: Mapping[bytes, PushResult], first_revisions: Mapping[bytes, int]) -> set[bytes]:
        """Notes the answers; gives the operations that were refused."""
        rejected = set()
        for operation_id, result in answers.items():
            if result.outcome == PUSH_OUTCOME_REJECTED:
                rejected.add(operation_id)
                self.reasons[reason_of(result)] += 1
        for edit in self.edits:
            if edit.mine:
                # After a restore, one that is within an item which its device created again is not pushed again.
                edit.acknowledged = first_revisions.get(edit.operation_id, 1)
        return rejected

    def _is_superseded(self, edit: Edit, item: Item, rejected: set[bytes]) -> bool:
        """Whether somebody wrote over it who knew it, or the device itself did.

        What is there was carried out, though it was refused as too old when it was sent again after its answer had been lost.
        """
        return any(
            other.item_id == edit.item_id
            and other.unit == edit.unit
            and (other.operation_id not in rejected or _has(item, other))
            and (
                (other.device_id == edit.device_id and other.order > edit.order)
                or (other is not edit and (other.base >= edit.acknowledged or any(other.base in bases for bases in edit.seen_by)))
            )
            for other in self.edits
        )

    def _is_missing(self, edit: Edit, answers: Mapping[bytes, PushResult]) -> bool:
        """Whether the device was told that the item was not there to be marked."""
        return edit.operation_id in answers and edit.item_id in answers[edit.operation_id].missing_ids

    def _add(self, device: Device, operation: SyncOperation, item_id: bytes, unit: str, value: str) -> Edit:
        place = (device.caller.session_id, operation.operation_id, item_id, unit, value, operation.base_revision, next(self._order))
        edit = Edit(*place, day=self._days)
        self.edits.append(edit)
        return edit


def reason_of(result: PushResult) -> str:
    """Why an operation was refused."""
    for detail in result.error.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def _values(request: UpdateItemRequest) -> list[tuple[str, str]]:
    found = []
    if SUBJECT in request.update_mask.paths:
        found.append((SUBJECT, request.item.summary.subject))
    if any(path.startswith("content.body") for path in request.update_mask.paths):
        found.append((BODY, request.item.content.body.text))
    return found


def _read(item: Item, unit: str) -> list[str]:
    match unit:
        case "summary.subject":
            return [item.summary.subject]
        case "body":
            return [item.content.body.text]
        case "attachment":
            return [attachment.name for attachment in item.content.attachments]
        case _:
            return list(item.state.categories)


def _has(item: Item, edit: Edit) -> bool:
    return edit.value in _read(item, edit.unit)


def _version_has(conflict: Conflict, edit: Edit) -> bool:
    if edit.unit == "attachment":
        return edit.value in [attachment.name for attachment in conflict.content.attachments]
    if edit.unit not in conflict.units:
        return False
    return edit.value in ([conflict.summary.subject] if edit.unit == SUBJECT else [conflict.content.body.text])

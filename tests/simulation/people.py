"""People at their devices: they do anything to what they see, and each thing they write is told from all others."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import Attachment, Item, ItemSummary
from rookery.v1.submission_service_pb2 import CancelSubmissionRequest, SubmitRequest
from rookery.v1.sync_pb2 import CONFLICT_POLICY_FAIL, SyncOperation
from rookery_client.replica.reading.submissions import Submissions
from rookery_core.errors import RookeryError
from rookery_core.rules import calendar_time
from tests.simulation.mail import ADDRESSES
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.simulation.devices import Device
    from tests.simulation.truth import Truth

T = TypeVar("T")

DAY = 86_400_000_000
NOW = FakeClock().now
KINDS = (
    item_pb2.ITEM_KIND_MESSAGE,
    item_pb2.ITEM_KIND_APPOINTMENT,
    item_pb2.ITEM_KIND_TASK,
    item_pb2.ITEM_KIND_CONTACT,
    item_pb2.ITEM_KIND_NOTE,
)
MODES = (
    item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS,
    item_service_pb2.DELETE_MODE_RECOVERABLE,
    item_service_pb2.DELETE_MODE_PERMANENT,
)

_LIKELIHOODS = {
    "create": 4,
    "mark": 2,
    "categorise": 2,
    "move": 4,
    "edit": 6,
    "attach": 2,
    "delete": 3,
    "restore": 2,
    "copy": 1,
    "create_folder": 1,
    "change_folder": 1,
    "delete_folder": 1,
    "empty_folder": 1,
    "write": 2,
    "send": 4,
    "call_back": 2,
}
ACTS = [act for act, likelihood in _LIKELIHOODS.items() for _ in range(likelihood)]
"""What people do, the more often the likelier."""


class Words:
    """What people write: never the same twice."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self, what: str) -> str:
        """E.g. "subject 7"."""
        return f"{what} {next(self._numbers)}"


def summary_of(kind: int, chance: random.Random, subject: str) -> ItemSummary:
    """A summary of a kind, with a time around now where it has one. Few different times: items that came at once share a key."""
    summary = ItemSummary(kind=item_pb2.ItemKind.ValueType(kind), subject=subject)
    summary.received.FromMicroseconds(NOW - chance.randrange(8) * DAY)
    if kind == item_pb2.ITEM_KIND_APPOINTMENT:
        set_time(summary, chance)
    return summary


def set_time(summary: ItemSummary, chance: random.Random) -> None:
    """Gives an appointment a time."""
    start = dt.datetime(2025, 6, 15, tzinfo=dt.UTC) + dt.timedelta(days=chance.randrange(-8, 8))
    summary.appointment.start.CopyFrom(calendar_time.at(start, "Etc/UTC"))
    summary.appointment.end.CopyFrom(calendar_time.at(start + dt.timedelta(hours=1), "Etc/UTC"))


class Person:
    """Uses one device. What the replica refuses was tried."""

    def __init__(self, device: Device, truth: Truth, words: Words) -> None:
        self.device = device
        self.truth = truth
        self.words = words
        self.chance = device.chance

    def act(self) -> str:
        """Does one thing; gives what."""
        return self.perform(self.chance.choice(ACTS))

    def perform(self, act: str) -> str:
        """Does one of ``ACTS``; gives what, and why not if it can not be done."""
        try:
            getattr(self, f"_{act}")()
        except (RookeryError, IndexError) as error:
            return f"{self.device.name} can not {act}: {getattr(error, 'reason', 'there is nothing')}"
        return f"{self.device.name}: {act}"

    def _record(self, uploads: dict[bytes, bytes] | None = None, **action: Any) -> None:
        recorded = self.device.record(SyncOperation(**action), uploads or {})
        if recorded is not None:
            self.truth.recorded(self.device, recorded)

    def _seen(self) -> list[tuple[bytes, int, bytes]]:
        """Items that are shown, the latest last: id, kind, folder."""
        with self.device.replica.database.reading() as connection:
            return connection.execute("SELECT id, kind, folder_id FROM shown_item ORDER BY id").fetchall()

    def _summaries(self) -> list[tuple[bytes, ItemSummary]]:
        """Messages that are shown, the latest last."""
        chosen = f"SELECT id, summary FROM shown_item WHERE kind = {item_pb2.ITEM_KIND_MESSAGE} ORDER BY id"
        with self.device.replica.database.reading() as connection:
            return [(item_id, ItemSummary.FromString(summary)) for item_id, summary in connection.execute(chosen)]

    def _items(self) -> list[bytes]:
        recent = [row[0] for row in self._seen()][-14:]
        return self.chance.sample(recent, min(len(recent), self.chance.choice((1, 1, 1, 2, 5))))

    def _item(self) -> tuple[bytes, int, bytes]:
        return self._one_of(self._seen()[-14:])

    def _folder(self) -> bytes:
        with self.device.replica.database.reading() as connection:
            found = [row[0] for row in connection.execute("SELECT id FROM shown_folder ORDER BY id")]
        chosen: bytes = self._one_of([*found[:3], *found[-4:]])
        return chosen

    def _create(self) -> None:
        item = Item(summary=summary_of(self.chance.choice(KINDS), self.chance, self.words.new("subject")))
        item.content.body.text = self.words.new("body") + " and more" * self.chance.randrange(200)
        if self.chance.random() < 0.7:
            item.folder_id = self._folder()
        self._record(create_item={"item": item})

    def _write(self) -> None:
        summary = summary_of(item_pb2.ITEM_KIND_MESSAGE, self.chance, self.words.new("subject"))
        summary.message.draft = True
        item = Item(summary=summary)
        item.content.body.text = self.words.new("body")
        for address in self.chance.sample(ADDRESSES, self.chance.choice((1, 1, 2, 4))):
            item.content.recipients.add().person.address = address
        self._record(create_item={"item": item})

    def _one_of(self, found: Sequence[T]) -> T:
        """IndexError where there is none, whichever the dice: Hypothesis' own say ValueError."""
        if not found:
            raise IndexError("there is nothing to choose from")
        return self.chance.choice(found)

    def _send(self) -> None:
        drafts = [item_id for item_id, summary in self._summaries() if summary.message.draft]
        operation = SyncOperation(submit=SubmitRequest(item_id=self._one_of(drafts[-6:])))
        if self.chance.random() < 0.3:
            operation.submit.undo_seconds = self.chance.choice((5, 600))
        if self.chance.random() < 0.2:
            operation.submit.send_at.FromMicroseconds(
                self.device.clock.micros() + self.chance.choice((-60, 60, 86_400)) * 1_000_000
            )
        if self.chance.random() < 0.2:
            operation.conflict_policy = CONFLICT_POLICY_FAIL
        recorded = self.device.record(operation, {})
        if recorded is not None:
            self.truth.recorded(self.device, recorded)

    def _call_back(self) -> None:
        listed, _ = Submissions(self.device.replica, self.device.clock).page(unfinished=True)
        submission_id = self._one_of([each.id for each in listed])
        operation_id = self.truth.submitted.get(self.device.name, {}).get(submission_id, b"")
        known = self.device.knows(operation_id)
        self.device.call_back(SyncOperation(cancel_submission=CancelSubmissionRequest(submission_id=submission_id)))
        if known and not self.device.knows(operation_id):
            self.truth.taken_back.add(submission_id)

    def _edit(self) -> None:
        item_id, kind, _ = self._item()
        item, paths = Item(id=item_id), []
        if self.chance.random() < 0.6:
            item.summary.subject = self.words.new("subject")
            paths.append("summary.subject")
        if self.chance.random() < 0.5:
            item.content.body.text = self.words.new("body")
            paths.append("content.body")
        if kind == item_pb2.ITEM_KIND_APPOINTMENT and self.chance.random() < 0.5:
            set_time(item.summary, self.chance)
            paths += ["summary.appointment.start", "summary.appointment.end"]
        if paths:
            self._record(update_item={"item": item, "update_mask": {"paths": paths}})

    def _attach(self) -> None:
        item_id, _, _ = self._item()
        upload_id, data = self.device.ids.new(), self.words.new("attachment").encode() * self.chance.choice((1, 500))
        attachment = Attachment(name=self.words.new("name"), media_type="text/plain", upload_id=upload_id)
        request = {"item": {"id": item_id}, "list_edits": {"add_attachments": [attachment]}}
        self.truth.attached(attachment.name, data)
        self._record({upload_id: data}, update_item=request)

    def _mark(self) -> None:
        self._record(set_item_state={"item_ids": self._items(), "read": self.chance.random() < 0.5})

    def _categorise(self) -> None:
        self._record(set_item_state={"item_ids": self._items(), "add_categories": [self.words.new("category")]})

    def _move(self) -> None:
        self._record(move_items={"item_ids": self._items(), "folder_id": self._folder()})

    def _copy(self) -> None:
        self._record(copy_items={"item_ids": self._items(), "folder_id": self._folder()})

    def _delete(self) -> None:
        self._record(delete_items={"item_ids": self._items(), "mode": self.chance.choice(MODES)})

    def _restore(self) -> None:
        gone = self.truth.deleted[-8:]
        folder_id = self.chance.choice((b"", self._folder()))
        self._record(restore_items={"item_ids": self.chance.sample(gone, min(2, len(gone))), "folder_id": folder_id})

    def _create_folder(self) -> None:
        name = self.chance.choice(("Plans", self.words.new("folder")))
        parent_id = self.chance.choice((b"", self._folder()))
        self._record(create_folder={"folder": {"name": name, "parent_id": parent_id}})

    def _change_folder(self) -> None:
        folder = folder_pb2.Folder(id=self._folder(), parent_id=self.chance.choice((b"", self._folder())))
        folder.name = self.chance.choice(("Plans", self.words.new("folder")))
        paths: Sequence[str] = self.chance.choice((["name"], ["parent_id"], ["name", "parent_id"]))
        self._record(update_folder={"folder": folder, "update_mask": {"paths": paths}})

    def _delete_folder(self) -> None:
        self._record(delete_folder={"folder_id": self._folder()})

    def _empty_folder(self) -> None:
        permanent, below = self.chance.random() < 0.5, self.chance.random() < 0.3
        self._record(empty_folder={"folder_id": self._folder(), "permanent": permanent, "include_subfolders": below})

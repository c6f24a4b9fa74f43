"""Lists of items for people: the columns that suit a kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import FlagStatus, Importance, Item, ItemKind
from rookery.v1.task_pb2 import TaskStatus
from rookery_client.cli.json_view import word
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.terminal import moment, size, table
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery.v1.person_pb2 import Person

    Columns = dict[str, Callable[[Item], str]]


def show_items(items: Sequence[Item]) -> None:
    """Prints items; the kind that most of them have decides on the columns."""
    kinds = Counter(item.summary.kind for item in items)
    kind = max(kinds, key=kinds.__getitem__, default=ItemKind.ITEM_KIND_MESSAGE)
    columns: Columns = {"": marks, **_BY_KIND.get(kind, _OTHERS), "ID": lambda item: text_of(item.id)}
    rows = [[cell(item) for cell in columns.values()] for item in items]
    table(list(columns), rows, right=["Size", "Done"], cut=_CUT, drop=[title for title in _DROP if title in columns])


def marks(item: Item) -> str:
    """N: unread, F: flagged, !: important, @: has attachments."""
    state, summary = item.state, item.summary
    return "".join(
        mark
        for mark, holds in (
            ("N", not state.read),
            ("F", state.follow_up.status == FlagStatus.FLAG_STATUS_FLAGGED),
            ("!", summary.importance == Importance.IMPORTANCE_HIGH),
            ("@", summary.has_attachments),
        )
        if holds
    )


def named(person: Person) -> str:
    """Name and address as mail programs write them."""
    return f"{person.name} <{person.address}>" if person.name and person.address else person.name or person.address


def wall_time(time: CalendarTime) -> str:
    """A calendar time with its zone, as it was meant."""
    return f"{time.local.replace('T', ' ').removesuffix(':00')} {time.time_zone}".strip()


def own_time(time: CalendarTime) -> str:
    """A calendar time as it was meant, for lists: this machine's zone goes without saying."""
    return wall_time(CalendarTime(local=time.local) if time.time_zone == local_zone() else time)


def _author(item: Item) -> str:
    author = getattr(item.summary.message, "from")
    return str(author.name or author.address)


_CUT = ["From", "Subject", "Where", "Name", "E-mail", "Company"]
_DROP = ["Size", "Company", "Where", "Phone", "Status", "Received", "Changed"]
_MESSAGES: Columns = {
    "From": _author,
    "Subject": lambda item: item.summary.subject,
    "Received": lambda item: moment(item.summary.received),
    "Size": lambda item: size(item.summary.size_bytes),
}
_OTHERS: Columns = {
    "Subject": lambda item: item.summary.subject,
    "Changed": lambda item: moment(item.summary.modified),
    "Size": lambda item: size(item.summary.size_bytes),
}
_BY_KIND: dict[int, Columns] = {
    ItemKind.ITEM_KIND_MESSAGE: _MESSAGES,
    ItemKind.ITEM_KIND_APPOINTMENT: {
        "Start": lambda item: own_time(item.summary.appointment.start),
        "Subject": lambda item: item.summary.subject,
        "Where": lambda item: item.summary.appointment.location,
    },
    ItemKind.ITEM_KIND_TASK: {
        "Due": lambda item: own_time(item.summary.task.due),
        "Subject": lambda item: item.summary.subject,
        "Status": lambda item: (word(TaskStatus.DESCRIPTOR, item.summary.task.status) or "not_started").replace("_", " "),
        "Done": lambda item: f"{item.summary.task.percent_complete} %",
    },
    ItemKind.ITEM_KIND_CONTACT: {
        "Name": lambda item: item.summary.subject,
        "E-mail": lambda item: item.summary.contact.email,
        "Phone": lambda item: item.summary.contact.phone,
        "Company": lambda item: item.summary.contact.company,
    },
}

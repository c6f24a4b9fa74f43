"""People at their desks who hand a task to each other, by letters that travel as iCalendar, as in mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import IMPORTANCE_HIGH, ITEM_KIND_TASK, Item
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_METHOD_REPLY
from rookery_core.formats import itip as wire
from rookery_core.rules import mail_addresses, task_progress
from rookery_core.rules.scheduling import assigning, assignments
from rookery_core.rules.scheduling.itip import Letter, Self
from rookery_core.rules.scheduling.receiving import Home, Received

if TYPE_CHECKING:
    from rookery.v1.task_pb2 import AssignmentState, TaskSummary

UID = "5e2f7a31-report"
NOON = 1_764_000_000_000_000
MINUTE = 60_000_000


@dataclass
class Post:
    """A letter on its way."""

    data: bytes
    sender: str
    to: str


@dataclass
class Desk:
    """Somebody with one task at most; what they send lies in ``sent`` until it is handed to the other."""

    name: str
    aliases: tuple[str, ...] = ()
    item: Item | None = None
    home: Home = Home.CALENDAR
    sent: list[Post] = field(default_factory=list)
    now: int = NOON

    @property
    def address(self) -> str:
        return f"{self.name.lower()}@example.org"

    @property
    def person(self) -> Person:
        return Person(name=self.name, address=self.address)

    @property
    def me(self) -> Self:
        return Self(self.person, frozenset(map(mail_addresses.key_of, (self.address, *self.aliases))))

    @property
    def task(self) -> TaskSummary:
        assert self.item is not None
        return self.item.summary.task

    @property
    def state(self) -> AssignmentState:
        assert self.item is not None
        return self.item.content.task.assignment

    def give(self, to: Person, comment: str = "", *, progress: bool = True) -> list[Post]:
        assert self.item is not None
        sending = assigning.assign(self.item, to, self.me, self.now, comment=comment, progress_requested=progress)
        self.item = sending.item
        return self._send(sending.letters)

    def answer(self, response: ResponseStatus.ValueType, comment: str = "") -> list[Post]:
        assert self.item is not None
        sending = assigning.respond(self.item, response, self.me, self.now, comment=comment)
        self.item = sending.item
        self.home = Home.DELETED if response == RESPONSE_STATUS_DECLINED else self.home
        return self._send(sending.letters)

    def edit(self, **fields: object) -> list[Post]:
        """Changes fields of the task, as a person does."""
        assert self.item is not None
        after = Item()
        after.CopyFrom(self.item)
        for name, value in fields.items():
            if isinstance(value, CalendarTime):
                getattr(after.summary.task, name).CopyFrom(value)
            else:
                setattr(after.summary.task, name, value)
        task_progress.settle(self.item.summary.task, after.summary.task, self.now)
        return self.write(after)

    def write(self, after: Item) -> list[Post]:
        """Puts another version of the task in place of the one that is there."""
        sending = assigning.report(self.item or Item(), after, self.me, self.now)
        self.item = sending.item
        return self._send(sending.letters)

    def read(self, post: Post) -> Received:
        """Takes in a letter, and what follows from it."""
        received = assignments.receive(self.item, wire.read(post.data), self.me, post.sender, self.now)
        if received.item is not None:
            self.write(received.item)
            self.home = self.home if received.home is Home.KEEP else received.home
        return received

    def _send(self, letters: tuple[Letter, ...]) -> list[Post]:
        posts = []
        for letter in letters:
            answers = letter.itip.method == SCHEDULING_METHOD_REPLY
            author = letter.itip.parts[0].item.summary.task.owner if answers else letter.itip.organizer
            posts += [Post(wire.write(letter.itip), author.address, person.address) for person in letter.to]
        self.sent += posts
        return posts


def new_task(**fields: object) -> Item:
    item = Item()
    item.summary.kind = ITEM_KIND_TASK
    item.summary.subject = "Write the report"
    item.summary.importance = IMPORTANCE_HIGH
    item.summary.task.task_id = UID
    item.summary.task.due.CopyFrom(CalendarTime(local="2025-12-01"))
    item.content.body.text = "By Friday, please."
    for name, value in fields.items():
        setattr(item.summary.task, name, value)
    return item


def pair(**fields: object) -> tuple[Desk, Desk]:
    """Ann with a task that is offered to Ben."""
    ann, ben = Desk("Ann", item=new_task(**fields)), Desk("Ben")
    [offer] = ann.give(ben.person, "can you?")
    assert ben.read(offer).effect == SCHEDULING_EFFECT_APPLIED
    return ann, ben


def accepted(**fields: object) -> tuple[Desk, Desk]:
    """Ann with a task that Ben has accepted."""
    ann, ben = pair(**fields)
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    ann.read(yes)
    return ann, ben


def chain() -> tuple[Desk, Desk, Desk]:
    """Ann has given a task to Ben, and he to Cleo, and both have accepted."""
    ann, ben = accepted()
    cleo = Desk("Cleo")
    [offer] = ben.give(cleo.person)
    cleo.read(offer)
    [yes] = cleo.answer(RESPONSE_STATUS_ACCEPTED)
    ben.read(yes)
    ben.sent.clear()
    return ann, ben, cleo

"""Tasks handed around by mail that is lost, late, doubled and out of order: whatever happens, in the end the copies agree."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, ResponseStatus
from rookery.v1.item_pb2 import Item
from rookery.v1.task_pb2 import TASK_STATUS_CANCELLED
from rookery_core.errors import FailedPrecondition
from tests.support.task_desks import MINUTE, NOON, Desk, Post, new_task

_NAMES = st.sampled_from(["Ann", "Ben", "Cleo", "Dan"])
_WHICH = st.integers(0, 1_000)


class Office(RuleBasedStateMachine):
    """Ann gives a task to Ben or to Dan, and Ben hands it on to Cleo or to Dan."""

    def __init__(self) -> None:
        super().__init__()
        self.desks = {
            name: Desk(name, now=NOON + skew) for name, skew in (("Ann", 0), ("Ben", -MINUTE), ("Cleo", MINUTE), ("Dan", 0))
        }
        self.desks["Ann"].item = new_task()
        self.under_way: list[Post] = []
        self.ever: list[Post] = []
        self.arrived: list[Post] = []

    @rule(giver=st.sampled_from(["Ann", "Ben"]), to=st.sampled_from(["Ben", "Cleo", "Dan"]))
    def give(self, giver: str, to: str) -> None:
        desk = self.desks[giver]
        if desk.item is None or (giver, to) in {("Ben", "Ben"), ("Ann", "Cleo")}:
            return
        try:
            self._sent(desk.give(self.desks[to].person))
        except FailedPrecondition:
            return
        assert desk.give(self.desks[to].person) == []

    @rule(name=_NAMES, response=st.sampled_from([RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED]))
    def answer(self, name: str, response: ResponseStatus.ValueType) -> None:
        desk = self.desks[name]
        if desk.item is None:
            return
        try:
            self._sent(desk.answer(response))
        except FailedPrecondition:
            return
        assert desk.answer(response) == []

    @rule(name=_NAMES, percent=st.integers(0, 4))
    def work(self, name: str, percent: int) -> None:
        desk = self.desks[name]
        if desk.item is None or desk.task.status == TASK_STATUS_CANCELLED:
            return
        sent = desk.edit(percent_complete=percent * 25)
        assert len(sent) <= 1
        self._sent(sent)
        assert desk.edit(percent_complete=percent * 25) == []

    @rule(seconds=st.integers(0, 3))
    def wait(self, seconds: int) -> None:
        for desk in self.desks.values():
            desk.now += seconds * 1_000_000

    @precondition(lambda self: self.under_way)
    @rule(which=_WHICH)
    def deliver(self, which: int) -> None:
        self._deliver(self.under_way.pop(which % len(self.under_way)))

    @precondition(lambda self: self.ever)
    @rule(which=_WHICH)
    def deliver_again(self, which: int) -> None:
        self._deliver(self.ever[which % len(self.ever)])

    @precondition(lambda self: self.under_way)
    @rule(which=_WHICH)
    def lose(self, which: int) -> None:
        self.under_way.pop(which % len(self.under_way))

    def teardown(self) -> None:
        self._arrive()
        for name in ("Ben", "Cleo", "Dan"):  # what was lost is made good by the next report
            desk = self.desks[name]
            if desk.item is not None and desk.task.status != TASK_STATUS_CANCELLED:
                self._sent(desk.edit(percent_complete=33 if desk.task.percent_complete != 33 else 66))
                self._arrive()
        for giver in ("Ben", "Ann"):
            self._require_agreement(self.desks[giver])
        before = {name: _copy(desk.item) for name, desk in self.desks.items()}
        for post in [*reversed(self.arrived), *self.arrived]:
            self._deliver(post)
        assert {name: desk.item for name, desk in self.desks.items()} == before
        assert not self.under_way

    def _require_agreement(self, giver: Desk) -> None:
        """Whoever has accepted, and is believed to have, is followed."""
        if giver.item is None or giver.state.given_response != RESPONSE_STATUS_ACCEPTED:
            return
        taker = next(desk for desk in self.desks.values() if desk.address == giver.state.given_to.address)
        assert taker.item is not None
        if taker.state.given_by.address == giver.address and taker.state.response == RESPONSE_STATUS_ACCEPTED:
            assert (giver.task.percent_complete, giver.task.status) == (taker.task.percent_complete, taker.task.status)

    def _arrive(self) -> None:
        while self.under_way:
            self._deliver(self.under_way.pop(0))

    def _deliver(self, post: Post) -> None:
        desk = next(desk for desk in self.desks.values() if desk.address == post.to)
        if post not in self.arrived:
            self.arrived.append(post)
        desk.sent.clear()
        desk.read(post)
        self._sent(desk.sent)

    def _sent(self, posts: list[Post]) -> None:
        self.under_way += posts
        self.ever += posts


def _copy(item: Item | None) -> Item | None:
    if item is None:
        return None
    found = Item()
    found.CopyFrom(item)
    return found


TestOffice = Office.TestCase
TestOffice.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

"""Edits that meet: by unit, by what they had seen, by time; never by the order in which they arrive."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, Recurrence
from rookery.v1.item_pb2 import Body, Item, ItemContent, ItemSummary, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person
from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue
from rookery.v1.task_pb2 import TASK_STATUS_COMPLETED, TASK_STATUS_IN_PROGRESS, TaskSummary
from rookery_core.rules import merging, stamps, units
from rookery_core.rules.merging import Changes, Merged
from rookery_core.rules.stamps import Edit, Stamp, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16
SERIES = Recurrence(rules=["FREQ=DAILY"])


@dataclass
class Shelf:
    """An item with its stamps, as a server keeps it."""

    item: Item
    stamps: dict[str, Stamp] = field(default_factory=dict)
    revision: int = 10

    def take(self, changes: Changes, device: bytes, edited: int, base: int = 10) -> Merged:
        edit = Edit(edited, device, base)
        merged = merging.merge(self.item, changes, self.stamps, edit)
        self.revision += 1
        self.stamps |= {unit: stamps.stamped(self.stamps.get(unit), edit, self.revision) for unit in merged.stamps}
        self.item = merged.item
        return merged


def message() -> Item:
    content = ItemContent(body=Body(text="Hello"), recipients=[recipient("anna"), recipient("ben")])
    return Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject="Hello"), content=content)


def recipient(name: str, display: str = "") -> Recipient:
    return Recipient(type=item_pb2.RECIPIENT_TYPE_TO, person=Person(name=display, address=f"{name}@example.org"))


def note(key: int, text: str) -> Property:
    return Property(key=PropertyKey(tag=key), value=PropertyValue(text=text))


def subject(text: str) -> Changes:
    return Changes(Item(summary=ItemSummary(subject=text)), ("summary.subject",))


def body(text: str) -> Changes:
    return Changes(Item(content=ItemContent(body=Body(text=text))), ("content.body",))


def lists(**edits: object) -> Changes:
    return Changes(Item(), (), ListEdits(**edits))  # type: ignore[arg-type]


def at(day: int, hour: int = 9) -> CalendarTime:
    return CalendarTime(local=f"2026-03-{day:02}T{hour:02}:00:00", time_zone="Europe/Berlin")


def occurrence(day: int, place: str) -> OccurrenceException:
    return OccurrenceException(original_start=at(day), location=place)


def series(*exceptions: OccurrenceException) -> Item:
    appointment = AppointmentSummary(start=at(1), end=at(1, 10), recurrence=SERIES, exceptions=exceptions)
    return Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, appointment=appointment))


def exceptions(*wanted: OccurrenceException) -> Changes:
    return Changes(series(*wanted), ("summary.appointment.exceptions",))


def rule(text: str, *wanted: OccurrenceException, whole: bool = False) -> Changes:
    item = series(*wanted)
    item.summary.appointment.recurrence.rules[0] = text
    paths = units.whole_units(["summary.appointment.recurrence"])
    return Changes(item, (*paths, *(["summary.appointment.exceptions"] if whole else [])))


def places(item: Item) -> dict[str, str]:
    return {each.original_start.local[8:10]: each.location for each in item.summary.appointment.exceptions}


def test_edits_of_different_units_both_apply() -> None:
    shelf = Shelf(message())
    shelf.take(subject("New"), ONE, 5)
    merged = shelf.take(body("Text"), TWO, 1)
    assert (shelf.item.summary.subject, shelf.item.content.body.text) == ("New", "Text")
    assert not merged.lost and not merged.beaten


def test_of_two_edits_of_a_unit_the_later_wins_whichever_comes_first() -> None:
    first = Shelf(message())
    first.take(subject("Early"), ONE, 5)
    won = first.take(subject("Late"), TWO, 6)
    assert (first.item.summary.subject, won.beaten, won.lost) == ("Late", {ONE: {"summary.subject"}}, set())
    second = Shelf(message())
    second.take(subject("Late"), TWO, 6)
    lost = second.take(subject("Early"), ONE, 5)
    assert (second.item.summary.subject, lost.beaten, lost.lost) == ("Late", {}, {"summary.subject"})


def test_of_edits_at_the_same_time_the_greater_device_wins() -> None:
    shelf = Shelf(message())
    shelf.take(subject("Two"), TWO, 5)
    assert shelf.take(subject("One"), ONE, 5).lost == {"summary.subject"}


def test_an_edit_that_has_seen_the_other_applies_whatever_its_clock_says() -> None:
    shelf = Shelf(message())
    shelf.take(subject("Ahead"), ONE, 1000)
    merged = shelf.take(subject("Behind"), TWO, 1, base=11)
    assert (shelf.item.summary.subject, merged.beaten) == ("Behind", {})
    assert shelf.stamps["summary.subject"] == Stamp(1001, TWO, 12)
    assert shelf.take(subject("Between"), THREE, 1000).lost == {"summary.subject"}


def test_a_device_has_seen_its_own_edits() -> None:
    shelf = Shelf(message())
    shelf.take(subject("One"), ONE, 5)
    assert not shelf.take(subject("Two"), ONE, 4).lost
    assert shelf.item.summary.subject == "Two"


def test_equal_values_do_not_conflict() -> None:
    shelf = Shelf(message())
    shelf.take(subject("Same"), ONE, 5)
    assert not shelf.take(subject("Same"), TWO, 9).beaten
    assert not shelf.take(subject("Same"), THREE, 1).lost


def test_an_equal_edit_counts_against_those_that_come_after_it() -> None:
    shelf = Shelf(message())
    shelf.take(subject("Same"), ONE, 5)
    shelf.take(subject("Same"), TWO, 9)
    assert shelf.take(subject("Other"), THREE, 7).lost == {"summary.subject"}


def test_a_unit_is_won_and_lost_whole() -> None:
    def progress(status: int, percent: int) -> Changes:
        task = TaskSummary(status=status, percent_complete=percent)  # type: ignore[arg-type]
        paths = units.whole_units(["summary.task.status"])
        return Changes(Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_TASK, task=task)), tuple(paths))

    shelf = Shelf(Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_TASK, task=TaskSummary())))
    shelf.take(progress(TASK_STATUS_COMPLETED, 100), ONE, 5)
    shelf.take(progress(TASK_STATUS_IN_PROGRESS, 40), TWO, 6)
    assert (shelf.item.summary.task.status, shelf.item.summary.task.percent_complete) == (TASK_STATUS_IN_PROGRESS, 40)


def test_a_mask_that_names_a_whole_detail_touches_its_units() -> None:
    wanted = Item(summary=ItemSummary(task=TaskSummary(location="Here", percent_complete=50)))
    assert Changes(wanted, ("summary.task",)).units(Item()) == {
        "time",
        "progress",
        "summary.task.reminder",
        "summary.task.owner",
        "summary.task.assignment",
        "summary.task.sequence",
        "summary.task.location",
    }


def test_recipients_merge_as_additions_and_removals() -> None:
    shelf = Shelf(message())
    shelf.take(lists(add_recipients=[recipient("cleo")], remove_recipients=[recipient("ben")]), ONE, 5)
    shelf.take(lists(add_recipients=[recipient("dora"), recipient("ANNA")]), TWO, 6)
    addresses = [each.person.address for each in shelf.item.content.recipients]
    assert addresses == ["cleo@example.org", "ANNA@example.org", "dora@example.org"]


def test_adding_and_removing_the_same_recipient_is_a_conflict_that_the_later_wins() -> None:
    shelf = Shelf(message())
    shelf.take(lists(remove_recipients=[recipient("ben")]), ONE, 5)
    merged = shelf.take(lists(add_recipients=[recipient("ben", "Ben")]), TWO, 6)
    assert merged.beaten == {ONE: {"recipient:to:ben@example.org"}}
    assert shelf.item.content.recipients[1].person.name == "Ben"


def test_exceptions_of_a_series_merge_by_original_start() -> None:
    shelf = Shelf(series(occurrence(2, "old")))
    shelf.take(exceptions(occurrence(2, "old"), occurrence(4, "one")), ONE, 5)
    shelf.take(exceptions(occurrence(2, "old"), occurrence(3, "two")), TWO, 6)
    assert places(shelf.item) == {"02": "old", "03": "two", "04": "one"}


def test_an_exception_that_the_device_had_seen_is_removed_by_leaving_it_out() -> None:
    shelf = Shelf(series(occurrence(2, "old"), occurrence(3, "kept")))
    shelf.take(exceptions(occurrence(3, "kept")), ONE, 5)
    assert places(shelf.item) == {"03": "kept"}


def test_exceptions_fall_with_the_rule_whichever_comes_first() -> None:
    first = Shelf(series(occurrence(2, "old")))
    first.take(exceptions(occurrence(2, "old"), occurrence(3, "new")), ONE, 9)
    fallen = first.take(rule("FREQ=WEEKLY"), TWO, 5)
    second = Shelf(series(occurrence(2, "old")))
    second.take(rule("FREQ=WEEKLY"), TWO, 5)
    barred = second.take(exceptions(occurrence(2, "old"), occurrence(3, "new")), ONE, 9)
    assert places(first.item) == places(second.item) == {}
    assert "exception:2026-03-03T09:00:00:Europe/Berlin" in fallen.beaten[ONE] & barred.lost


def test_exceptions_that_come_with_a_new_rule_stay() -> None:
    shelf = Shelf(series(occurrence(2, "old")))
    shelf.take(exceptions(occurrence(2, "old"), occurrence(3, "lost")), ONE, 4)
    shelf.take(rule("FREQ=WEEKLY", occurrence(8, "new"), whole=True), TWO, 5)
    assert places(shelf.item) == {"08": "new"}


def test_exceptions_of_a_rule_that_loses_are_lost_with_it() -> None:
    shelf = Shelf(series())
    shelf.take(rule("FREQ=MONTHLY"), ONE, 9)
    merged = shelf.take(rule("FREQ=WEEKLY", occurrence(8, "new"), whole=True), TWO, 5)
    assert merged.lost == {"time", "exception:2026-03-08T09:00:00:Europe/Berlin"}
    assert places(shelf.item) == {}


def test_units_of_another_version_can_be_taken_over() -> None:
    other = message()
    other.summary.subject = "Other"
    other.content.body.text = "Other"
    del other.content.recipients[1]
    other.content.properties.append(note(1, "x"))
    item = message()
    merging.take_units(item, other, ["summary.subject", "recipient:to:ben@example.org", "property:0x0001"])
    assert item.summary.subject == "Other"
    assert item.content.body.text == "Hello"
    assert [each.person.address for each in item.content.recipients] == ["anna@example.org"]
    assert list(item.content.properties) == [note(1, "x")]


def test_a_time_ahead_of_the_servers_counts_as_now() -> None:
    assert (stamps.clamped(50, 40), stamps.clamped(30, 40)) == (40, 30)


def test_verdicts() -> None:
    stamp = Stamp(100, ONE, 20)
    assert stamps.judge(None, Edit(1, TWO, 0)) is Verdict.SEEN
    assert stamps.judge(stamp, Edit(1, TWO, 20)) is Verdict.SEEN
    assert stamps.judge(stamp, Edit(1, ONE, 0)) is Verdict.SEEN
    assert stamps.judge(stamp, Edit(101, TWO, 19)) is Verdict.WINS
    assert stamps.judge(stamp, Edit(99, TWO, 19)) is Verdict.LOSES


WORDS = st.sampled_from(["", "red", "green", "blue"])
NAMES = st.sampled_from(["anna", "ben", "cleo", "dora"])
ENTRIES = st.lists(st.tuples(NAMES, WORDS), max_size=3)
NUMBERS = st.lists(st.tuples(st.integers(1, 3), WORDS), max_size=3)
DAYS = st.dictionaries(st.integers(2, 5), WORDS, max_size=4)


@st.composite
def edits(draw: st.DrawFn) -> Changes:
    """An edit of some units of a series, with its recipients and properties."""
    wanted = series(*(occurrence(day, place) for day, place in sorted(draw(DAYS).items())))
    wanted.summary.subject = draw(WORDS)
    wanted.content.body.text = draw(WORDS)
    wanted.summary.appointment.location = draw(WORDS)
    wanted.summary.appointment.start.CopyFrom(at(1, draw(st.integers(1, 3))))
    named = ["summary.subject", "content.body", "summary.appointment.location", "summary.appointment.start"]
    paths = draw(st.lists(st.sampled_from([*named, "summary.appointment.exceptions"]), max_size=5, unique=True))
    change = ListEdits(
        add_recipients=[recipient(name, display) for name, display in draw(ENTRIES)],
        remove_recipients=[recipient(name) for name in draw(st.lists(NAMES, max_size=2))],
        set_properties=[note(key, text) for key, text in draw(NUMBERS)],
        remove_properties=[PropertyKey(tag=key) for key in draw(st.lists(st.integers(1, 3), max_size=2))],
    )
    return Changes(wanted, tuple(units.whole_units(paths)), change)


def stored() -> Item:
    item = series(occurrence(2, "old"), occurrence(3, "old"))
    item.content.recipients.extend([recipient("anna"), recipient("ben")])
    item.content.properties.append(note(1, "old"))
    return item


def arrive(order: Sequence[tuple[Changes, bytes, int]]) -> Shelf:
    shelf = Shelf(stored())
    for changes, device, edited in order:
        shelf.take(changes, device, edited)
    return shelf


@given(edits(), edits(), edits(), st.lists(st.integers(1, 4), min_size=3, max_size=3))
def test_the_order_of_arrival_leaves_no_trace(first: Changes, second: Changes, third: Changes, times: list[int]) -> None:
    sent = list(zip((first, second, third), (ONE, TWO, THREE), times, strict=True))
    results = [arrive(order).item for order in permutations(sent)]
    assert all(result == results[0] for result in results)


@given(edits(), edits(), st.integers(1, 3), st.integers(1, 3))
def test_what_an_edit_asked_for_is_there_or_named_as_lost(first: Changes, second: Changes, one: int, two: int) -> None:
    shelf = Shelf(stored())
    alone = Shelf(stored())
    shelf.take(first, ONE, one)
    alone.take(first, ONE, one)
    merged = shelf.take(second, TWO, two)
    asked = set(first.paths.values()) | first.entries
    gone = {unit for unit in asked if _value(shelf.item, unit) != _value(alone.item, unit)}
    assert gone == merged.beaten.get(ONE, set()) & asked
    lost = {
        unit
        for unit in {*second.paths.values(), *second.entries}
        if _value(arrive([(second, TWO, two)]).item, unit) != _value(shelf.item, unit)
    }
    assert lost == merged.lost & {*second.paths.values(), *second.entries}


def _value(item: Item, unit: str) -> object:
    for named in units.KEYED_LISTS.values():
        if unit.startswith(named.prefix):
            return named.by_unit(item).get(unit)
    blank = Item(summary=ItemSummary(appointment=AppointmentSummary()))
    merging.take_units(blank, item, [unit])
    return blank.SerializeToString(deterministic=True)

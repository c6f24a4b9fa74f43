"""Windows of synchronisation: what is inside, what covers what, what two have in common."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE, ITEM_KIND_TASK
from rookery_core.rules.sync_windows import EVERYTHING, Window

LIMITS = st.none() | st.integers(-3, 3)
WINDOWS = st.builds(Window, LIMITS, LIMITS, LIMITS)
ITEMS = st.tuples(
    st.sampled_from([ITEM_KIND_MESSAGE, ITEM_KIND_APPOINTMENT, ITEM_KIND_TASK]),
    st.integers(-4, 4),
    st.integers(-4, 4),
    st.integers(-4, 4),
)


@given(ITEMS)
def test_no_limit_holds_everything(item: tuple[int, int, int, int]) -> None:
    assert EVERYTHING.holds(*item)


def test_mail_is_inside_from_the_limit_on() -> None:
    window = Window(mail_since=5)
    assert [window.holds(ITEM_KIND_MESSAGE, key, 0, 0) for key in (4, 5)] == [False, True]
    assert window.holds(ITEM_KIND_TASK, 4, 0, 0)


def test_appointments_are_inside_as_long_as_they_touch_it() -> None:
    window = Window(events_from=10, events_until=20)
    spans = {(5, 10): False, (5, 11): True, (12, 13): True, (19, 30): True, (20, 30): False, (0, 1 << 62): True}
    assert {span: window.holds(ITEM_KIND_APPOINTMENT, 0, *span) for span in spans} == spans


@given(WINDOWS, WINDOWS, ITEMS)
def test_what_two_share_is_what_is_inside_both(one: Window, other: Window, item: tuple[int, int, int, int]) -> None:
    assert one.shared(other).holds(*item) == (one.holds(*item) and other.holds(*item))


@given(WINDOWS, WINDOWS, ITEMS)
def test_nothing_is_outside_a_window_that_covers_another(one: Window, other: Window, item: tuple[int, int, int, int]) -> None:
    if one.covers(other) and other.holds(*item):
        assert one.holds(*item)


@given(WINDOWS, WINDOWS)
def test_windows_that_cover_each_other_are_the_same(one: Window, other: Window) -> None:
    assert one.covers(one) and EVERYTHING.covers(one)
    assert (one.covers(other) and other.covers(one)) == (one == other)

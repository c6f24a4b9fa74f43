from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rookery_server.gateway.agenda import Agenda
from rookery_server.store.outgoing import Due


def taken(agenda: Agenda, now: int) -> list[str]:
    found = []
    while (domain := agenda.take(now)) is not None:
        found.append(domain)
    return found


def test_the_longest_due_comes_first_and_what_is_not_due_stays() -> None:
    agenda = Agenda()
    agenda.note([Due("b", 5), Due("a", 7), Due("c", 9)])
    assert agenda.soonest() == 5
    assert taken(agenda, 8) == ["b", "a"]
    assert agenda.soonest() == 9


def test_of_what_is_known_of_a_domain_the_earliest_counts() -> None:
    agenda = Agenda()
    agenda.note([Due("a", 9), Due("a", 5), Due("a", 7)])
    assert taken(agenda, 9) == ["a"]
    assert agenda.soonest() is None


def test_what_waits_for_a_place_comes_first_when_there_is_one() -> None:
    agenda = Agenda()
    agenda.note([Due("b", 5)])
    agenda.hold("a", "host")
    agenda.release("other")
    assert taken(agenda, 3) == []
    agenda.release("host")
    assert taken(agenda, 9) == ["a", "b"]


def test_who_comes_now_waits_behind_what_waits_already() -> None:
    agenda = Agenda()
    agenda.note([Due("a", 5)])
    agenda.hold("b", "host")
    assert agenda.waits("a", "elsewhere", 5)
    assert not agenda.waits("a", "elsewhere", 4), "it is put off, and nobody is overtaken"
    assert agenda.waits("c", "host", 0), "another domain waits for a place at the same host"
    assert not agenda.waits("c", "elsewhere", 9)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)) | st.integers(0, 9)))
def test_no_domain_is_forgotten_and_none_comes_before_its_time(steps: list[tuple[str, int] | int]) -> None:
    agenda = Agenda()
    known: dict[str, int] = {}
    for step in steps:
        if isinstance(step, int):
            expected = sorted((at, domain) for domain, at in known.items() if at <= step)
            assert taken(agenda, step) == [domain for _, domain in expected]
            known = {domain: at for domain, at in known.items() if at > step}
        else:
            agenda.note([Due(*step)])
            known[step[0]] = min(step[1], known.get(step[0], 99))
        assert agenda.soonest() == min(known.values(), default=None)

"""What is kept in memory: as much as there is room for, and what was asked for last."""

from __future__ import annotations

import random

from rookery_server.services.calendar.kept import Kept


class Thing:
    """Something that weighs."""

    def __init__(self, weight: int) -> None:
        self.weight = weight


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    kept, things = Kept(100), [Thing(40) for _ in range(3)]
    kept.put("a", things[0])
    kept.put("b", things[1])
    assert kept.find("a") is things[0]
    kept.put("c", things[2])
    assert (kept.find("a"), kept.find("b"), kept.find("c")) == (things[0], None, things[2])


def test_what_takes_the_place_of_the_oldest_may_be_too_heavy_for_what_is_beside_it() -> None:
    kept, heavy = Kept(100), Thing(90)
    kept.put("a", Thing(10))
    kept.put("b", Thing(50))
    kept.put("a", heavy)
    assert kept.find("a") is heavy
    assert kept.find("b") is None
    assert kept.weight == 90


def test_what_has_become_heavier_makes_others_go_and_stays_itself() -> None:
    kept, growing = Kept(100), Thing(10)
    kept.put("a", growing)
    kept.put("b", Thing(50))
    growing.weight = 80
    assert kept.find("a") is growing
    assert kept.find("b") is None
    assert kept.weight == 80


def test_what_is_too_heavy_by_itself_is_kept_alone() -> None:
    kept, heavy = Kept(100), Thing(500)
    kept.put("a", Thing(10))
    kept.put("b", heavy)
    assert (kept.find("a"), kept.find("b")) == (None, heavy)


def test_no_more_is_kept_than_there_is_room_for_whatever_comes() -> None:
    dice, kept = random.Random(3), Kept(1000)
    things: dict[int, Thing] = {}
    for _ in range(500):
        key = dice.randrange(30)
        if dice.random() < 0.5:
            things[key] = Thing(dice.randrange(1, 700))
            kept.put(key, things[key])
            assert kept.find(key) is things[key]
        else:
            assert kept.find(key) in {None, things.get(key)}
        assert kept.weight <= 1000
    there = [thing for key, thing in things.items() if kept.find(key) is thing]
    assert kept.weight == sum(each.weight for each in there)

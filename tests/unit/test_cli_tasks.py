"""`rookery tasks`, on a replica without a server; what is sent then is for the sync's own tests."""

from __future__ import annotations

import datetime as dt
import json
import sys
from zoneinfo import ZoneInfo

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import FlagStatus, Item, ItemKind
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.main import main
from rookery_client.cli.task_view import group_of
from rookery_core.rules.ids import text_of
from tests.support.replica_filling import Device

BERLIN = ZoneInfo("Europe/Berlin")
NOW = dt.datetime(2026, 3, 4, 12, 0, tzinfo=BERLIN)


@pytest.fixture
def letter(tmp_path, monkeypatch):
    """A flagged message in the replica of the default profile."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)
    device = Device(tmp_path / "replicas" / "default.replica")
    letter = device.message("Please \x1b[31manswer")
    letter.state.follow_up.status = FlagStatus.FLAG_STATUS_FLAGGED
    letter.state.follow_up.request = "Reply"
    device.put(letter)
    device.close()
    return letter


@pytest.fixture
def run(letter, capfdbinary):
    """Runs `rookery --offline tasks …`; gives stdout and stderr."""

    def run(*argv, expect=0):
        status = main(["--offline", "tasks", *map(str, argv)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        out, error = captured.out.decode(), captured.err.decode()
        assert status == expect, error
        return out, error

    return run


def listed(run, *options):
    return [(each["summary"]["subject"], each["group"]) for each in json.loads(run("list", "--json", *options)[0])["tasks"]]


def added(run, *argv):
    return json.loads(run("add", "--json", *argv)[0])["item"]["summary"]["task"]


def test_what_is_added_is_listed_in_its_group(run):
    run("add", "Long ago", "--due", "2020-01-01", "--important", "--text", "Do it at last")
    run("add", "Far away", "--due", "2999-01-01T09:30", "--start", "2998-12-31", "--reminder", "2998-12-31T08:00")
    run("add", "Some day")
    wanted = [("Long ago", "overdue"), ("Far away", "later"), ("Please \x1b[31manswer", "no_date"), ("Some day", "no_date")]
    assert sorted(listed(run)) == sorted(wanted)
    assert listed(run)[:2] == wanted[:2]
    out, _ = run()
    assert [line[:7].strip() for line in out.splitlines()] == ["When", "Overdue", "Later", "No date", ""]
    for text in ("Later", "No date", "2999-01-01 09:30", "Please answer", "Reply"):
        assert text in out
    assert "\x1b[31m" not in out
    assert listed(run, "--no-flagged", "--limit", "1") == wanted[:1]


def test_completing_a_task_that_recurs_tells_of_the_next(run, letter):
    item_id = run("add", "Water the plants", "--due", "2020-03-02", "--every", "2 weeks")[0].strip()
    _, error = run("done", item_id)
    assert "“Water the plants” is done; the next is due 2020-03-16." in error
    single = run("add", "Buy milk")[0].strip()
    _, error = run("done", single, text_of(letter.id))
    assert "“Buy milk” is done." in error and "“Please answer” is done." in error
    assert listed(run) == [("Water the plants", "overdue")]
    assert sorted(subject for subject, _ in listed(run, "--done")) == ["Buy milk", letter.summary.subject, "Water the plants"]
    assert len(listed(run, "--all")) == 4
    out, _ = run("done", item_id, "--json")
    answer = json.loads(out)["tasks"][0]
    assert answer["item"]["summary"]["task"]["due"]["local"] == "2020-03-30"
    assert answer["completed_copy"]["summary"]["task"]["due"]["local"] == "2020-03-16"
    out, _ = run("show", item_id)
    assert "Repeats: every 2 weeks on Monday" in out
    assert json.loads(run("show", "--json", item_id)[0])["item"]["summary"]["subject"] == "Water the plants"


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("day", "FREQ=DAILY"),
        ("weekday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("3 months", "FREQ=MONTHLY;INTERVAL=3"),
        ("1 year", "FREQ=YEARLY"),
    ],
)
def test_how_often_is_said_in_words(run, words, rule):
    assert added(run, "Task", "--due", "2026-03-02", "--every", words)["recurrence"]["rules"] == [rule]


def test_a_rule_or_an_interval_from_the_completion_may_be_given(run):
    assert added(run, "Task", "--start", "2026-03-02", "--rule", "FREQ=MONTHLY;BYDAY=1MO")["recurrence"]["rules"] == [
        "FREQ=MONTHLY;BYDAY=1MO"
    ]
    assert added(run, "Task", "--every", "10 days", "--regenerate")["regenerating"] is True


@pytest.mark.parametrize(
    ("argv", "rule"),
    [
        (("--due", "2026-03-02", "--every", "week", "--until", "2026-04-30"), "FREQ=WEEKLY;UNTIL=20260430"),
        (("--due", "2026-03-02T09:00Z", "--every", "week", "--until", "2026-04-30"), "FREQ=WEEKLY;UNTIL=20260430T235959Z"),
        (("--start", "2026-03-02", "--every", "2 days", "--count", "3"), "FREQ=DAILY;INTERVAL=2;COUNT=3"),
        (("--every", "day", "--regenerate", "--until", "2026-04-30"), "FREQ=DAILY;UNTIL=20260430"),
    ],
)
def test_a_series_ends_on_a_day_or_after_so_many_times(run, argv, rule):
    assert added(run, "Task", *argv)["recurrence"]["rules"] == [rule]


def test_a_series_of_two_is_over_when_both_are_done(run):
    item_id = run("add", "Take the tablets", "--due", "2026-03-02", "--every", "day", "--count", "2")[0].strip()
    assert "the next is due 2026-03-03." in run("done", item_id)[1]
    assert "“Take the tablets” is done." in run("done", item_id)[1]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--due", "2026-03-02", "--until", "2026-04-30"), "--until and --count go with --every."),
        (("--due", "2026-03-02", "--every", "day", "--until", "2026-03-01"), "--until is before --due"),
        (("--start", "2026-03-02", "--every", "day", "--until", "2026-03-01"), "--until is before --start"),
        (("--due", "2026-03-02", "--every", "day", "--until", "2026-03-09", "--count", "2"), "not both"),
        (("--due", "2026-03-02", "--every", "day", "--until", "soon"), "“soon” is no date"),
    ],
)
def test_an_end_that_makes_no_sense_is_answered_with_why(run, argv, words):
    assert words in run("add", "Task", *argv, expect=2)[1]


@pytest.mark.parametrize(
    "argv",
    [
        ("--due", "tomorrow"),
        ("--every", "fortnight", "--due", "2026-03-02"),
        ("--every", "0 days", "--due", "2026-03-02"),
        ("--every", "day"),
        ("--every", "day", "--rule", "FREQ=DAILY", "--due", "2026-03-02"),
        ("--regenerate",),
    ],
)
def test_what_makes_no_task_is_wrong_usage(run, argv):
    run("add", "Task", *argv, expect=2)


def test_what_is_not_there_is_not_done(run):
    assert "there is no such item" in run("done", "01890000-0000-7000-8000-000000000001", expect=1)[1]


@pytest.mark.parametrize(
    ("due", "group"),
    [
        (CalendarTime(local="2026-03-03"), "overdue"),
        (CalendarTime(local="2026-03-04"), "today"),
        (CalendarTime(local="2026-03-05"), "later"),
        (CalendarTime(local="2026-03-04T11:59:00"), "overdue"),
        (CalendarTime(local="2026-03-04T12:01:00"), "today"),
        (CalendarTime(local="2026-03-04T12:01:00", time_zone="Asia/Tokyo"), "overdue"),
        (CalendarTime(local="2026-03-04T12:00:00", time_zone="America/New_York"), "today"),
        (CalendarTime(local="2026-03-04T23:30:00", time_zone="UTC"), "later"),
        (CalendarTime(local="sometime"), "no_date"),
    ],
)
def test_groups_go_by_the_readers_calendar(due, group):
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_TASK
    item.summary.task.due.CopyFrom(due)
    assert group_of(item, NOW) == group


def test_the_machines_zone_is_the_one_that_is_named(monkeypatch):
    for name, zone in (("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo"), ("utc", "UTC"), ("CET-1CEST", "UTC")):
        monkeypatch.setenv("TZ", name)
        assert local_zone() == zone

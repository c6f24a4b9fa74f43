"""`rookery reminders`, on a replica without a server; the same with one is for `tests/api`."""

from __future__ import annotations

import datetime as dt
import json
import sys
from zoneinfo import ZoneInfo

import pytest

from rookery.v1.item_pb2 import FlagStatus
from rookery_client.cli.main import main
from rookery_core.rules.ids import text_of
from tests.support.replica_filling import Device

BERLIN = ZoneInfo("Europe/Berlin")

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def letter(tmp_path, monkeypatch):
    """A message to be answered an hour ago, in the replica of the default profile."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    device = Device(tmp_path / "replicas" / "default.replica")
    letter = device.message("Please \x1b[31manswer")
    letter.state.follow_up.status = FlagStatus.FLAG_STATUS_FLAGGED
    letter.state.follow_up.reminder.FromDatetime(dt.datetime.now(dt.UTC) - HOUR)
    device.put(letter)
    device.close()
    return letter


@pytest.fixture
def run(letter, capfdbinary):
    """Runs `rookery --offline …`; gives stdout and stderr."""

    def run(*argv, expect=0):
        status = main(["--offline", *map(str, argv)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        out, error = captured.out.decode(), captured.err.decode()
        assert status == expect, error
        return out, error

    return run


def listed(run, *options):
    return [each["subject"] for each in json.loads(run("reminders", "list", "--json", *options)[0])["reminders"]]


def wall(time):
    return f"{time.astimezone(BERLIN):%Y-%m-%dT%H:%M}"


def appointment(run, subject, in_hours, *options):
    start = dt.datetime.now(BERLIN) + in_hours * HOUR
    made = run("cal", "add", subject, "--start", f"{start:%Y-%m-%d %H:%M}", "--reminder", "15", "--json", *options)[0]
    return json.loads(made)["item"]["id"]


def test_what_is_due_is_listed_and_when_the_next_one_is(run, letter):
    appointment(run, "Review", 5, "--location", "Attic")
    out, error = run("reminders")
    head, line = out.splitlines()
    assert head.split() == ["Due", "Kind", "Subject", "Begins", "Where", "ID"]
    assert "Please answer" in line and "\x1b" not in line and line.endswith(text_of(letter.id))
    assert "The next one is due at " in error
    assert listed(run) == ["Please \x1b[31manswer"]
    assert listed(run, "--until", wall(dt.datetime.now(dt.UTC) + 6 * HOUR)) == ["Please \x1b[31manswer", "Review"]


def test_all_that_is_due_is_dismissed_at_once_and_what_comes_stays(run):
    appointment(run, "Review", 0.1)
    later = appointment(run, "Later", 5)
    assert len(listed(run)) == 2
    assert "2 reminders dismissed." in run("reminders", "dismiss", "--all")[1]
    assert listed(run) == []
    assert "The next one is due at" in run("reminders")[1]
    [ended] = json.loads(run("reminders", "dismiss", later, "--json")[0])["dismissed"]
    assert ended["item_id"] == later
    assert "next one" not in run("reminders")[1]


def test_of_a_series_the_next_one_comes(run):
    daily = appointment(run, "Standup", 0.1, "--every", "day")
    run("reminders", "dismiss", daily)
    assert "Standup" not in listed(run)
    assert "Standup" in listed(run, "--until", wall(dt.datetime.now(dt.UTC) + 30 * HOUR))
    item = json.loads(run("show", daily, "--json")[0])["item"]
    assert item["summary"]["appointment"]["exceptions"] == []


def test_a_reminder_is_put_off_for_a_while_or_until_a_time(run, letter):
    answer = text_of(letter.id)
    put_off = json.loads(run("reminders", "snooze", answer, "--for", "10m", "--json")[0])["reminder"]
    assert put_off["due"] > put_off["signal"]
    assert listed(run) == []
    assert "comes again at" in run("reminders", "snooze", answer, "--until", wall(dt.datetime.now(dt.UTC) - HOUR))[1]
    assert listed(run) == ["Please \x1b[31manswer"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["dismiss"], "--all"),
        (["dismiss", "--all", "0197a000-0000-7000-8000-000000000000"], "--all"),
        (["snooze", "0197a000-0000-7000-8000-000000000000"], "--until"),
        (["snooze", "0197a000-0000-7000-8000-000000000000", "--for", "1h", "--until", "2026-03-01"], "--until"),
        (["snooze", "0197a000-0000-7000-8000-000000000000", "--for", "soon"], "10m|45m"),
    ],
)
def test_what_is_not_said_clearly_is_wrong_usage(run, argv, words):
    error = run("reminders", *argv, expect=2)[1]
    assert any(word in error for word in words.split("|"))


def test_what_has_no_reminder_is_named(run):
    nothing = run("tasks", "add", "Whenever")[0].strip()
    for argv in (["dismiss", nothing], ["snooze", nothing, "--for", "1h"]):
        assert f"this has no reminder: {nothing}" in run("reminders", *argv, expect=1)[1]
    assert "more than 400 days" not in run("reminders", "list", "--until", "2999-01-01", expect=1)[0]


def test_watching_needs_the_server(run):
    assert "needs the server" in run("reminders", "watch", expect=1)[1]

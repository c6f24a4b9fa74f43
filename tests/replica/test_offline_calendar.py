"""`rookery cal`, with a server and without one: the same agendas, and appointments that are made offline."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import pytest

from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from tests.support.server import server_process

__all__ = ["server_process"]


@pytest.fixture
def anna(server_process, tmp_path, monkeypatch, capfdbinary):
    """Runs the signed-in command beside a server, in Berlin."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv, expect=0):
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        status = main([str(each) for each in argv])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        assert status == expect, captured.err.decode()
        return captured.out.decode(), captured.err.decode()

    async def prepare():
        async with server_process.connected() as server:
            person = await server.add_person("anna")
        profile = Profile(server=server_process.address, address=person.address, tokens=person.login.tokens)
        Profiles(tmp_path / "config").put("default", profile)

    asyncio.run(prepare())
    return run


def made(run, *argv):
    return json.loads(run(*argv, "--json")[0])["item"]


AGENDA = """\
Saturday, 28 March 2026
  all day      Fair  Hall 3

Sunday, 29 March 2026
  all day      Fair  Hall 3
  02:30–03:00  Backup ↻

Monday, 30 March 2026
  09:00–09:15  Standup ↻
  10:00–11:30  Review  Room 1  (tentative)
  from 22:00   Night train

Tuesday, 31 March 2026
  until 07:00  Night train
  09:00–09:15  Standup ↻
"""


def test_a_calendar_looks_the_same_online_and_offline(anna):
    anna("cal", "add", "Standup", "--start", "2026-03-02 09:00", "--duration", "15m", "--every", "weekday", "--until", "2026-04-30")
    anna("cal", "add", "Backup", "--start", "2026-03-01 02:30", "--rule", "FREQ=MONTHLY;BYDAY=-1SU")
    anna("cal", "add", "Fair", "--start", "2026-03-28", "--end", "2026-03-29", "--location", "Hall 3")
    anna("cal", "add", "Night train", "--start", "2026-03-30 22:00", "--end", "2026-03-31 07:00")
    review = ["Review", "--start", "2026-03-30 10:00", "--duration", "1h30m", "--location", "Room 1", "--show-as", "tentative"]
    reviewed = made(anna, "cal", "add", *review, "--reminder", "10", "--text", "Bring figures")
    anna("sync")
    shown = anna("cal", "agenda", "--from", "2026-03-28", "--days", "4")[0]
    # The clocks skip 02:30 on that Sunday: it is on an hour later, and so it is shown.
    assert shown == AGENDA.replace("02:30–03:00", "03:30–04:00")
    for command in (
        ["agenda", "--from", "2026-03-28", "--days", "4"],
        ["agenda", "--from", "2026-03-28", "--days", "4", "--json"],
        ["agenda", "--from", "2026-03-28", "--time-zone", "Asia/Tokyo", "--ids"],
        ["agenda", "--from", "2031-01-01"],
        ["month", "2026-03"],
        ["month", "2026-03", "--json"],
        ["show", reviewed["id"]],
    ):
        assert anna("--offline", "cal", *command)[0] == anna("cal", *command)[0]
    assert anna("cal", "agenda", "--from", "2031-01-01", "--days", "1")[0] == "Nothing on Wednesday, 1 January 2031.\n"
    sheet = anna("cal", "month", "2026-03")[0]
    assert all(len(line) <= 80 for line in sheet.splitlines())
    assert "March 2026" in sheet and "10 Review" in sheet and "Fair" in sheet


def test_an_appointment_made_offline_is_on_the_agenda_at_once_and_on_the_server_after_a_sync(anna):
    anna("sync")
    ahead = made(anna, "--offline", "cal", "add", "Dentist", "--start", "2026-05-04 15:00")
    offline = anna("--offline", "cal", "agenda", "--from", "2026-05-04", "--days", "1")[0]
    assert offline == "Monday, 4 May 2026\n  15:00–15:30  Dentist\n"
    assert "Nothing" in anna("cal", "agenda", "--from", "2026-05-04")[0]
    anna("sync")
    assert anna("cal", "agenda", "--from", "2026-05-04", "--days", "1")[0] == offline
    assert ahead["summary"]["appointment"]["start"] == {"local": "2026-05-04T15:00:00", "time_zone": "Europe/Berlin"}


def test_a_rule_changed_offline_drops_the_same_exceptions_as_on_the_server_and_says_which(anna):
    item = made(anna, "cal", "add", "Plan", "--start", "2026-03-02 09:00", "--rule", "FREQ=WEEKLY;BYDAY=MO,WE")
    other = made(anna, "cal", "add", "Plan", "--start", "2026-03-02 09:00", "--rule", "FREQ=WEEKLY;BYDAY=MO,WE")
    starts = {day: {"local": f"2026-03-{day}T09:00:00", "time_zone": "Europe/Berlin"} for day in ("09", "11")}
    special = [{"original_start": start, "subject": day} for day, start in starts.items()]
    mondays = 'summary.appointment.recurrence={"rules": ["FREQ=WEEKLY;BYDAY=MO"]}'
    for each in (item, other):
        anna("edit", each["id"], "--set", f"summary.appointment.exceptions={json.dumps(special)}")
    anna("sync")
    online, _ = anna("edit", item["id"], "--set", mondays, "--json")
    assert [each["subject"] for each in json.loads(online)["dropped_exceptions"]] == ["11"]
    _, told = anna("--offline", "edit", other["id"], "--set", mondays)
    assert "2026-03-11 09:00 Europe/Berlin is gone" in told
    anna("sync")
    for each in (item, other):
        kept = json.loads(anna("show", each["id"], "--json")[0])["item"]["summary"]["appointment"]["exceptions"]
        assert [exception["subject"] for exception in kept] == ["09"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--start", "tomorrow"], "write 2026-03-02 09:30"),
        (["--start", "2026-03-02", "--end", "2026-03-03 10:00"], "both dates, or both have a time"),
        (["--start", "2026-03-02", "--duration", "90m"], "whole days"),
        (["--start", "2026-03-02", "--until", "2026-03-09"], "go with --every"),
        (["--start", "2026-03-02", "--every", "day", "--until", "2026-03-09", "--count", "3"], "not both"),
    ],
)
def test_words_that_make_no_appointment_are_refused_before_anything_is_asked(tmp_path, monkeypatch, capsys, words, advice):
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    assert main(["cal", "add", "X", *words]) == 2
    assert advice in capsys.readouterr().err

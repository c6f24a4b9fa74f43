"""`rookery cal freebusy`, `find`, `rooms`, `settings` and `rookeryd account booking`, at a whole server."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
import sys

import pytest
import structlog
from click.testing import CliRunner

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1.calendar_pb2 import AppointmentSummary, BusyStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_client import Client
from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from rookery_core.rules import calendar_time
from rookery_server.cli import logs
from rookery_server.cli.main import rookeryd
from tests.support.server import ServerProcess

DAY = "2031-03-04"
"""A Tuesday."""
BERLIN = "Europe/Berlin"


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """A server with Anna, Ben, a room and a projector, and the folder with the profiles of the two."""
    process, config = ServerProcess(tmp_path_factory.mktemp("server")), tmp_path_factory.mktemp("config")
    process.start()
    asyncio.run(prepare(process, Profiles(config)))
    yield process, config
    process.kill()


async def prepare(process, profiles):
    """What Anna and Ben have on a Tuesday; Anna shows with what. They work in Berlin."""
    async with process.connected() as server:
        for name in ("anna", "ben"):
            person = await server.add_person(name, display_name=name.capitalize())
            profiles.put(name, Profile(server=process.address, address=person.address, tokens=person.login.tokens))
        await server.add_account("blue", kind=admin.ACCOUNT_KIND_ROOM, display_name="Blue room")
        await server.add_account("beamer", kind=admin.ACCOUNT_KIND_EQUIPMENT, display_name="Projector")
    async with Client.connect(process.address, tokens=profiles.get("anna").tokens) as anna:
        await anna.items.create(event("Standup", "09:00", "09:30", location="Hall"))
        await anna.items.create(event("Trip", "14:00", "19:00", busy_status=BusyStatus.BUSY_STATUS_OUT_OF_OFFICE))
    async with Client.connect(process.address, tokens=profiles.get("ben").tokens) as ben:
        await ben.items.create(event("Lunch", "12:15", "13:15", busy_status=BusyStatus.BUSY_STATUS_TENTATIVE))
        await ben.items.create(event("Home", "15:00", "16:00", busy_status=BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE))


def event(subject, start, end, **fields):
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, subject
    times = {
        name: calendar_time.at(dt.datetime.fromisoformat(f"{DAY}T{hour}"), BERLIN)
        for name, hour in (("start", start), ("end", end))
    }
    item.summary.appointment.CopyFrom(AppointmentSummary(**times, **fields))
    return item


@pytest.fixture
def run(office, monkeypatch, capfdbinary):
    """Runs `rookery` as somebody in Berlin; gives stdout and stderr."""
    _, config = office
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(config))
    monkeypatch.setenv("TZ", BERLIN)
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(who, *argv, expect=0):
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        status = main(["--profile", who, *map(str, argv)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        out, error = captured.out.decode(), captured.err.decode()
        assert status == expect, error
        return out, error

    run("anna", "cal", "settings", "--zone", BERLIN, "--hours", "mon-fri 9-17", "--show", "subjects")
    run("ben", "cal", "settings", "--zone", "local", "--hours", "mon-fri 8:30-16", "--show", "times")
    return run


@pytest.fixture
def administer(office, monkeypatch):
    """Runs `rookeryd account …` at the server; gives what it prints."""
    process, _ = office
    monkeypatch.setattr(logs, "configure", lambda *_: None)

    def run(*arguments, expect=0):
        with structlog.testing.capture_logs():
            result = CliRunner().invoke(rookeryd, ["account", *arguments, "--data", str(process.folder)])
        assert result.exit_code == expect, result.output
        return result.output

    return run


def test_a_day_is_a_line_of_half_hours_for_each(run):
    out, error = run("ben", "cal", "freebusy", "anna@rookery.test", "ben@rookery.test", "--from", DAY)
    assert (
        out.splitlines()
        == [
            "Tuesday, 4 March 2031",
            "                    8   10  12  14  16  18",
            "Anna                  █·········▓▓▓▓▓▓▓▓▓▓",
            "Ben                  ·······▒▒▒···░░",
            "  09:00–09:30  Standup  Hall  Anna",
            "  14:00–19:00  Trip  Anna",
            "  12:15–13:15  Lunch  Ben",
            "  15:00–16:00  Home  Ben",
            "",
            "█ busy   ▓ out of office   ░ working elsewhere   ▒ tentative   · free",
        ]
        or out
    )
    assert not error
    assert max(map(len, out.splitlines())) <= 80


def test_days_on_which_nobody_works_show_the_usual_hours_and_whole_days_stay_in_them(run):
    run("ben", "cal", "add", "Away", "--start", "2031-03-08")
    out, _ = run("anna", "cal", "freebusy", "ben@rookery.test", "--from", "2031-03-08", "--days", 2)
    assert out.splitlines()[:6] == [
        "Saturday, 8 March 2031",
        "                    8   10  12  14  16",
        "Ben                 ████████████████████",
        "",
        "Sunday, 9 March 2031",
        "                    8   10  12  14  16",
    ]


def test_programs_get_free_busy_as_json_and_whoever_is_not_here_is_told_of(run):
    stranger = "carl@elsewhere.test"
    out, _ = run("anna", "cal", "freebusy", "ben@rookery.test", stranger, "--from", DAY, "--json")
    ben, carl = json.loads(out)["parties"]
    assert [(each["start"], each["status"], each["subject"]) for each in ben["times"]] == [
        ("2031-03-04T11:15:00Z", "tentative", ""),
        ("2031-03-04T14:00:00Z", "working_elsewhere", ""),
    ]
    assert (ben["working_hours"]["time_zone"], ben["error"]) == ("Europe/Berlin", None)
    assert carl["error"] == {"reason": "ACCOUNT_NOT_FOUND", "message": f"{stranger} is nobody on this server"}
    out, error = run("anna", "cal", "freebusy", stranger)
    assert (out, error) == ("", f"{stranger} is nobody on this server.\n")


def test_times_to_meet_are_found_the_best_first(run):
    asked = ("--with", "ben@rookery.test", "--from", DAY, "--days", 1, "--duration", "1h", "--step", 60)
    out, error = run("anna", "cal", "find", *asked, "--room", "blue@rookery.test", "--limit", 4)
    assert [line.rstrip() for line in out.splitlines()] == [
        "When                                Whom it does not suit quite",
        "Tuesday, 4 March 2031  10:00–11:00",
        "Tuesday, 4 March 2031  11:00–12:00",
        "Tuesday, 4 March 2031  12:00–13:00  ben@rookery.test (tentative)",
        "Tuesday, 4 March 2031  13:00–14:00  ben@rookery.test (tentative)",
    ]
    assert not error
    out, error = run("anna", "cal", "find", *asked, "--optional", "carl@elsewhere.test", "--limit", 1, "--json")
    document = json.loads(out)
    assert document["invitees"] == ["anna@rookery.test", "ben@rookery.test", "carl@elsewhere.test"]
    assert (document["times"][0]["start"], document["unknown_invitees"]) == ("2031-03-04T09:00:00Z", [2])
    out, error = run("anna", "cal", "find", "--with", "x@elsewhere.test", "--from", DAY, "--days", 1, "--duration", "8h")
    assert out == "No time suits all who have to come; --any-hour looks outside of working hours.\n"
    assert error == "x@elsewhere.test can not be looked at, and counts as free.\n"
    assert "Say with whom" in run("anna", "cal", "find", "--without-me", expect=2)[1]


def test_rooms_are_set_by_administrators_and_listed_with_who_fits_in(run, administer):
    assert "answers by itself; 180 days ahead; 1 day at most; series too" in administer("booking", "blue@rookery.test")
    told = administer(
        "booking", "blue@rookery.test", "--horizon", "90", "--longest", "240", "--conflict-percent", "10", "--outsiders",
        "--only-hours", "--hours", "mon-fri 8-18", "--zone", "Europe/Berlin", "--capacity", "12", "--location", "2nd floor",
    )  # fmt: skip
    assert told == (
        "Booking  answers by itself; 90 days ahead; 4 hours at most; series too, 10 of 100 may be taken; "
        "also for people elsewhere; only in its hours; room for 12; 2nd floor\nHours    Mon-Fri 08:00-18:00 (Europe/Berlin)\n"
    )
    document = json.loads(administer("booking", "blue@rookery.test", "--by-hand", "--no-series", "--json"))
    assert (document["automatic"], document["recurring"], document["horizon_days"], document["capacity"]) == (False, False, 90, 12)
    assert (document["time_zone"], document["hours"][0]) == (
        "Europe/Berlin",
        {"weekday": 1, "start_minute": 480, "end_minute": 1080},
    )
    assert "is no room" in administer("booking", "anna@rookery.test", expect=2)
    assert "no time zone" in administer("booking", "blue@rookery.test", "--zone", "Mars", expect=2)
    assert "--hours" in administer("booking", "blue@rookery.test", "--hours", "whenever", expect=2)
    out, _ = run("ben", "cal", "rooms")
    assert [line.split("  ")[0] for line in out.splitlines()] == ["Name", "Blue room", "Projector"]
    assert "blue@rookery.test" in out and "12  2nd floor" in out
    listed = json.loads(run("ben", "cal", "rooms", "--free", f"{DAY} 10:00", "--duration", "2h", "--json")[0])["rooms"]
    assert [(each["address"], each["kind"], each["booking"]["location"]) for each in listed] == [
        ("beamer@rookery.test", "equipment", ""),
        ("blue@rookery.test", "room", "2nd floor"),
    ][::-1]
    assert "go with --free" in run("ben", "cal", "rooms", "--duration", "2h", expect=2)[1]


def test_a_calendar_is_set_in_words(run):
    out, _ = run("anna", "cal", "settings")
    assert out == (
        "Working hours: Mon-Fri 09:00-17:00 (Europe/Berlin)\nOthers see: subjects and places too, but not of what is private\n"
    )
    out, _ = run("ben", "cal", "settings", "--json")
    assert json.loads(out)["settings"]["free_busy_detail"] == "times"
    assert json.loads(out)["settings"]["booking"] is None
    assert "names no hours" in run("ben", "cal", "settings", "--hours", "mon", expect=2)[1]
    assert "no time zone" in run("ben", "cal", "settings", "--zone", "Mars/Olympus", expect=1)[1]
    assert "only administrators" not in run("ben", "cal", "settings", "--address", "ben@rookery.test")[1]
    assert "is for administrators" in run("ben", "cal", "settings", "--address", "anna@rookery.test", expect=1)[1]


def test_members_of_a_group_are_named_on_the_command_line(run, administer):
    administer("add", "team@rookery.test", "--kind", "group", "--no-password", "--members", "anna@rookery.test")
    administer("set", "team@rookery.test", "--members", "anna@rookery.test, ben@rookery.test")
    assert "2 members" in administer("list")
    listed = {each["address"]: each["members"] for each in json.loads(administer("list", "--json"))}
    assert listed["team@rookery.test"] == ["anna@rookery.test", "ben@rookery.test"]
    out, _ = run("anna", "cal", "freebusy", "team@rookery.test", "--from", DAY, "--json")
    (team,) = json.loads(out)["parties"]
    assert [each["status"] for each in team["times"]] == ["busy", "tentative", "out_of_office"]
    assert (team["kind"], team["working_hours"]) == ("group", None)


def test_without_a_network_nobody_knows_who_is_free(run):
    run("anna", "sync")
    for command in (("freebusy", "ben@rookery.test"), ("find", "--with", "ben@rookery.test"), ("rooms",), ("settings",)):
        out, error = run("anna", "--offline", "cal", *command, expect=1)
        assert not out
        assert "needs the server" in error

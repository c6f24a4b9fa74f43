"""`rookery cal` for meetings, at a whole server: people invite, answer, move, split and call off, with a network and without."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import sys

import pytest

from rookery.v1 import admin_service_pb2
from rookery_client import Client
from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from tests.support.server import ServerProcess

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    """A server for all the tests: each has people of its own."""
    process = ServerProcess(tmp_path_factory.mktemp("server"))
    process.start()
    yield process
    process.kill()


class People:
    """Anna, Ben and Cleo, each with a profile, in Berlin."""

    def __init__(self, process, profiles, outputs, monkeypatch):
        self._process, self._profiles, self._outputs, self._monkeypatch = process, profiles, outputs, monkeypatch
        self._number = next(NUMBERS)
        asyncio.run(self._prepare())

    def address(self, name):
        """Somebody's address."""
        return f"{name}{self._number}@rookery.test"

    def __call__(self, who, *argv, expect=0):
        """Runs the command as somebody; gives stdout and stderr when what it sent has arrived."""
        self._outputs.readouterr()
        self._monkeypatch.setattr(sys, "stdin", io.StringIO())
        status = main(["--profile", who, *map(str, argv)])
        sys.stdout.flush()
        captured = self._outputs.readouterr()
        assert status == expect, captured.err.decode()
        asyncio.run(self._arrival(who))
        return captured.out.decode(), captured.err.decode()

    async def _prepare(self):
        self.accounts = {}
        async with self._process.connected() as server:
            for name in ("anna", "ben", "cleo"):
                person = await server.add_person(f"{name}{self._number}", display_name=name.capitalize())
                profile = Profile(server=self._process.address, address=person.address, tokens=person.login.tokens)
                self._profiles.put(name, profile)
                self.accounts[name] = person.account.id

    async def _arrival(self, who):
        async with Client.connect(self._process.address, tokens=self._profiles.get(who).tokens) as client:
            for _ in range(1000):
                if not [each async for each in client.submissions.list(unfinished=True)]:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("what was sent does not arrive")


@pytest.fixture
def run(process, tmp_path, monkeypatch, capfdbinary):
    """Runs commands as three people."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return People(process, Profiles(tmp_path / "config"), capfdbinary, monkeypatch)


def meeting_of(run, who, subject):
    """The id of somebody's copy, in their calendar."""
    listed = json.loads(run(who, "ls", "calendar", "--json")[0])["items"]
    return next(each["id"] for each in listed if each["summary"]["subject"] == subject)


def letter_of(run, who, text):
    """The id of the newest message in somebody's inbox whose subject has the text."""
    listed = json.loads(run(who, "ls", "inbox", "--json")[0])["items"]
    return next(each["id"] for each in listed if text in each["summary"]["subject"])


def agenda(run, who, day, *options, days=1):
    return run(who, *options, "cal", "agenda", "--from", day, "--days", days)[0]


def test_an_invitation_is_answered_and_the_organizer_sees_who_comes(run):
    anna, ben, cleo = run.address("anna"), run.address("ben"), run.address("cleo")
    made, told = run("anna", "cal", "add", "Review", "--start", "2031-03-04 10:00", "--end", "11:30", "--location", "Room 1",
                     "--invite", ben, "--optional", f"Cleo <{cleo}>", "--message", "Please come")  # fmt: skip
    review = made.strip()
    assert told == f"Told {ben} and {cleo}.\n"
    assert agenda(run, "ben", "2031-03-04") == ("Tuesday, 4 March 2031\n  10:00–11:30  Review  Room 1 ?  (not answered)\n")
    letter = letter_of(run, "ben", "Review")
    shown, _ = run("ben", "show", letter)
    assert "Anna invites you: Tuesday, 4 March 2031, 10:00–11:30, Room 1.\n" in shown and shown.count("Please come") == 1
    assert f"Answer it: rookery cal respond {letter} accept" in shown
    _, told = run("ben", "cal", "respond", letter, "accept", "--message", "See you")
    assert told == f"Accepted: “Review”, Tuesday, 4 March 2031, 10:00–11:30.\nTold {anna}.\n"
    assert "You have accepted it." in run("ben", "show", letter)[0]
    assert agenda(run, "ben", "2031-03-04") == "Tuesday, 4 March 2031\n  10:00–11:30  Review  Room 1\n"
    cleos = meeting_of(run, "cleo", "Review")
    assert f"Anna waits for your answer: rookery cal respond {cleos} accept" in run("cleo", "cal", "show", cleos)[0]
    run("cleo", "cal", "respond", cleos, "tentative", "--propose", "2031-03-04 14:00/1h30m", "--message", "Later?")
    shown, _ = run("anna", "cal", "show", review)
    assert "Attendees: 1 accepted, 1 tentative" in shown
    assert re.search(rf"✓\s+Ben <{ben}>\s+accepted\s+\S+ \S+\s+See you", shown)
    assert re.search(rf"~\s+Cleo <{cleo}>\s+optional\s+tentative\s+\S+ \S+\s+Later\?", shown)
    assert "Cleo proposes Tuesday, 4 March 2031, 14:00–15:30 instead." in shown
    move = re.search(r"rookery (cal move .*)", shown)
    assert move is not None
    shown, _ = run("anna", "show", letter_of(run, "anna", "Review"))
    assert f"To move it there: rookery {move[1]}" in shown
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', move[1])]
    _, told = run("anna", *words)
    assert told == f"“Review” is on Tuesday, 4 March 2031, 14:00–15:30.\nTold {ben} and {cleo}.\n"
    assert agenda(run, "ben", "2031-03-04").splitlines()[1].startswith("  14:00–15:30  Review  Room 1 ?")
    assert run("anna", "cal", "send", review)[1] == "Everybody knows already: nobody was told.\n"
    assert "Not told yet" not in run("anna", "cal", "show", review)[0]


def test_a_series_is_moved_declined_split_and_called_off_by_its_occurrences(run):
    ben = run.address("ben")
    made, _ = run(
        "anna", "cal", "add", "Standup", "--start", "2031-03-03 09:00", "--every", "week", "--count", "8", "--invite", ben
    )
    standup = made.strip()
    bens = meeting_of(run, "ben", "Standup")
    run("ben", "cal", "respond", bens, "accept")
    _, told = run("ben", "cal", "respond", bens, "decline", "--occurrence", "2031-03-10", "--message", "Dentist")
    assert told.startswith("Declined: “Standup”, Monday, 10 March 2031, 09:00–09:30.\n")
    assert "Nothing" in agenda(run, "ben", "2031-03-10")
    assert "✗ Monday, 10 March 2031, 09:00: Ben, declined: “Dentist”" in run("anna", "cal", "show", standup)[0]
    _, told = run("anna", "cal", "move", standup, "--occurrence", "2031-03-17", "--start", "11:00")
    assert told == f"“Standup” is on Monday, 17 March 2031, 11:00–11:30.\nTold {ben}.\n"
    assert agenda(run, "ben", "2031-03-17").splitlines()[1].startswith("  11:00–11:30  Standup ↻")
    _, told = run("anna", "cal", "cancel", standup, "--occurrence", "2031-03-24")
    assert told == f"“Standup” on Monday, 24 March 2031, 09:00 is off.\nTold {ben}.\n"
    assert "Nothing" in agenda(run, "ben", "2031-03-24")
    second, told = run("anna", "cal", "split", standup, "--at", "2031-04-07", "--start", "08:30")
    assert told.startswith("From Monday, 7 April 2031, 08:30–09:00 on it is a series of its own.\n")
    for who in ("anna", "ben"):
        assert "08:30–09:00  Standup ↻" in agenda(run, who, "2031-04-07")
        assert "Standup" in agenda(run, who, "2031-03-31") and "08:30" not in agenda(run, who, "2031-03-31")
    _, told = run("anna", "cal", "cancel", second.strip(), "--message", "No more")
    assert told == f"“Standup” is off.\nTold {ben}.\n"
    for who in ("anna", "ben"):
        assert "Nothing" in agenda(run, who, "2031-04-07", days=30)
    shown, _ = run("ben", "show", letter_of(run, "ben", "Standup"))
    assert "Anna calls it off" in shown and shown.count("No more") == 1


def test_the_list_of_attendees_changes_and_an_invitation_goes_on(run):
    ben, cleo = run.address("ben"), run.address("cleo")
    made, _ = run("anna", "cal", "add", "Plan", "--start", "2031-03-04 10:00", "--invite", ben, "--no-answers")
    plan = made.strip()
    assert run("anna", "cal", "invite", plan, cleo, "--no-send")[1] == "Nobody was told yet: `rookery cal send` tells them.\n"
    shown, _ = run("anna", "cal", "show", plan)
    assert f"Not told yet: {cleo} is invited. Tell the attendees: rookery cal send {plan}" in shown
    assert run("anna", "cal", "send", plan)[1] == f"Told {cleo}.\n"
    assert run("anna", "cal", "invite", plan, "--remove", ben)[1] == f"Told {ben}.\n"
    assert "Nothing" in agenda(run, "ben", "2031-03-04")
    assert run("cleo", "cal", "forward", meeting_of(run, "cleo", "Plan"), ben)[1] == f"Told {ben}.\n"
    _, error = run("anna", "cal", "invite", plan, "--remove", "dora@rookery.test", expect=1)
    assert "is not on the list" in error
    _, error = run("cleo", "cal", "move", meeting_of(run, "cleo", "Plan"), "--start", "11:00", expect=1)
    assert "this is a meeting of Anna, and theirs to change" in error and "--propose" in error


def test_a_meeting_is_arranged_and_answered_without_a_network(run):
    anna, ben = run.address("anna"), run.address("ben")
    for who in ("anna", "ben"):
        run(who, "sync")
    made, told = run("anna", "--offline", "cal", "add", "Plan", "--start", "2031-03-04 10:00", "--invite", ben)
    plan = made.strip()
    assert told.splitlines() == ["2 changes wait for the next sync."]
    shown, _ = run("anna", "--offline", "cal", "show", plan)
    assert f"Organizer: Anna <{anna}>" in shown and "Not told yet" not in shown
    assert "tell the attendees of a meeting" in run("anna", "changes", "list")[0]
    run("anna", "sync")
    run("ben", "sync")
    bens = meeting_of(run, "ben", "Plan")
    letter = letter_of(run, "ben", "Plan")
    assert run("ben", "--offline", "show", letter)[0] == run("ben", "show", letter)[0]
    run("ben", "--offline", "cal", "respond", letter, "accept")
    assert agenda(run, "ben", "2031-03-04", "--offline") == "Tuesday, 4 March 2031\n  10:00–10:30  Plan\n"
    run("ben", "--offline", "cal", "respond", bens, "decline", "--message", "Sorry")
    assert "Nothing" in agenda(run, "ben", "2031-03-04", "--offline")
    waiting, _ = run("ben", "changes", "list")
    assert "decline an invitation" in waiting and "accept" not in waiting
    run("ben", "sync")
    shown, _ = run("anna", "cal", "show", plan)
    assert "Attendees: 1 declined" in shown and "Sorry" in shown
    assert "Nothing" in agenda(run, "ben", "2031-03-04")
    assert agenda(run, "ben", "2031-03-04", "--offline") == agenda(run, "ben", "2031-03-04")
    assert run("ben", "changes", "list", "--json")[0] == run("anna", "changes", "list", "--json")[0]


def test_what_is_done_to_a_series_without_a_network_is_the_same_afterwards(run, process):
    ben, cleo = run.address("ben"), run.address("cleo")
    made, _ = run(
        "anna", "cal", "add", "Standup", "--start", "2031-03-03 09:00", "--every", "week", "--count", "8", "--invite", ben
    )
    standup = made.strip()
    run("anna", "sync")
    run("anna", "--offline", "cal", "cancel", standup, "--occurrence", "2031-03-10")
    run("anna", "--offline", "cal", "move", standup, "--occurrence", "2031-03-17", "--start", "11:00")
    second, _ = run("anna", "--offline", "cal", "split", standup, "--at", "2031-04-07", "--start", "08:30")
    run("anna", "--offline", "cal", "invite", second.strip(), cleo)
    words = ("2031-03-01", "--offline")
    ahead = agenda(run, "anna", *words, days=90)
    assert [line for line in ahead.splitlines() if line.startswith(("Monday, 10", "  11:00", "  08:30"))] == [
        "  11:00–11:30  Standup ↻",
        *["  08:30–09:00  Standup ↻"] * 3,
    ]
    run("anna", "sync")
    assert agenda(run, "anna", "2031-03-01", days=90) == ahead == agenda(run, "anna", *words, days=90)
    assert json.loads(run("anna", "changes", "list", "--json")[0])["changes"] == []
    for who, starts in (("ben", 6), ("cleo", 3)):
        assert agenda(run, who, "2031-03-01", days=90).count("Standup") == starts + (who == "ben")
    run("anna", "cal", "send", standup)
    assert run("anna", "cal", "send", second.strip())[1] == "Everybody knows already: nobody was told.\n"


def test_all_addresses_of_a_person_are_theirs_without_a_network_too(run, process):
    anna, alias = run.address("anna"), run.address("berg")

    async def add_alias():
        async with process.connected() as server:
            owner = admin_service_pb2.Alias(address=alias, account_id=run.accounts["anna"])
            await server.admin.CreateAlias(admin_service_pb2.CreateAliasRequest(operation_id=server.ids.new(), alias=owner))

    asyncio.run(add_alias())
    run("ben", "cal", "add", "Plan", "--start", "2031-03-04 10:00", "--invite", alias)
    run("anna", "sync")
    letter = letter_of(run, "anna", "Plan")
    run("anna", "--offline", "cal", "respond", letter, "accept")
    shown, _ = run("anna", "--offline", "cal", "show", meeting_of(run, "anna", "Plan"))
    assert "My response: accepted" in shown and alias in shown and anna not in shown
    run("anna", "sync")
    assert run("anna", "cal", "show", meeting_of(run, "anna", "Plan"))[0] == shown


def test_json_has_the_appointment_and_what_was_sent(run):
    ben = run.address("ben")
    made = json.loads(run("anna", "cal", "add", "Plan", "--start", "2031-03-04 10:00", "--invite", ben, "--json")[0])
    assert [each["person"]["address"] for each in made["submissions"][0]["recipients"]] == [ben]
    plan = made["item"]["id"]
    assert made["item"]["summary"]["appointment"]["my_response"] == "organizer"
    letter = json.loads(run("ben", "show", letter_of(run, "ben", "Plan"), "--json")[0])
    scheduling = letter["item"]["content"]["message"]["scheduling"]
    assert (scheduling["method"], scheduling["effect"]) == ("request", "applied")
    answered = json.loads(run("ben", "cal", "respond", scheduling["item_id"], "accept", "--json")[0])
    assert answered["item"]["summary"]["appointment"]["my_response"] == "accepted"
    again = json.loads(run("ben", "cal", "respond", scheduling["item_id"], "accept", "--json")[0])
    assert again["submissions"] == []
    assert json.loads(run("anna", "cal", "send", plan, "--json")[0])["submissions"] == []


@pytest.mark.parametrize(
    ("argv", "advice"),
    [
        (["invite", "ID"], "whom to invite"),
        (["invite", "ID", "Team"], "is no address"),
        (["respond", "ID", "maybe"], "Invalid value"),
        (["respond", "ID", "tentative", "--propose", "tomorrow"], "2026-03-02 10:00/45m"),
        (["move", "ID"], "--start, --end or --duration"),
        (["split", "ID"], "--at"),
        (["forward", "ID"], "ADDRESS"),
        (["add", "X", "--start", "2026-03-02", "--message", "Hi"], "go with --invite"),
        (["add", "X", "--start", "2026-03-02", "--room", "Room 1"], "is no address"),
    ],
)
def test_words_that_say_nothing_are_refused_before_anything_is_asked(tmp_path, monkeypatch, capsys, argv, advice):
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    assert main(["cal", *("01890000-0000-7000-8000-000000000001" if word == "ID" else word for word in argv)]) == 2
    assert advice in capsys.readouterr().err

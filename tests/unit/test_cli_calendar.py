"""`rookery cal`, on a replica without a server: times as people write them, and series that are moved."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_NONE, ResponseStatus
from rookery.v1.calendar_service_pb2 import Occurrence
from rookery.v1.submission_pb2 import Submission
from rookery_client.cli.calendar_days import Shown
from rookery_client.cli.main import main
from rookery_client.cli.meetings import told
from tests.support.replica_filling import Device

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Run:
    """Runs `rookery --offline …` in Berlin; gives stdout and stderr."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)
    Device(tmp_path / "replicas" / "default.replica").close()

    def run(*argv: object, expect: int = 0) -> tuple[str, str]:
        status = main(["--offline", *map(str, argv)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        out, error = captured.out.decode(), captured.err.decode()
        assert status == expect, error
        return out, error

    return run


def times(run: Run, first: str, days: int = 1) -> list[str]:
    """When something begins, by the wall clock."""
    listed = json.loads(run("cal", "--from", first, "--days", days, "--json")[0])["occurrences"]
    return [each["start"]["local"] for each in listed]


def test_without_a_command_the_agenda_is_meant_and_help_is_not_an_error_in_one_line(run: Run) -> None:
    assert run("cal", "--from", "2031-03-03", "--days", "1")[0] == "Nothing on Monday, 3 March 2031.\n"
    assert run("cal")[0] == run("cal", "agenda")[0]
    assert run("cal", "--help")[0].startswith("Usage: rookery cal")
    _, error = run("conflicts", expect=2)
    assert error.startswith("Usage: rookery conflicts") and "\nCommands:\n" in error


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2031-03-04 9:05", "2031-03-04T09:05:00"),
        ("2031-03-04T09:05:00", "2031-03-04T09:05:00"),
        ("2031-03-04T09:05:00Z", "2031-03-04T10:05:00"),
        ("2031-03-04T09:05-05:00", "2031-03-04T15:05:00"),
        ("2031-03-04", "2031-03-04"),
    ],
)
def test_a_time_that_json_prints_can_be_typed_again(run: Run, text: str, local: str) -> None:
    run("cal", "add", "Meal", "--start", text)
    assert times(run, "2031-03-04") == [local]


def test_what_begins_while_the_clocks_jump_lasts_as_long_as_ever(run: Run) -> None:
    run("cal", "add", "Night watch", "--start", "2031-03-30 02:30")
    out, _ = run("cal", "--from", "2031-03-30", "--days", "1")
    assert "03:30–04:00  Night watch" in out


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (("agenda", "--from", "tomorrow"), 2, "“tomorrow” is no date: write 2026-03-02."),
        (("month", "2031-13"), 2, "“2031-13” is no date: write 2026-03."),
        (("agenda", "--time-zone", "Europe/Berln"), 1, "there is no time zone “Europe/Berln”: did you mean Europe/Berlin?"),
        (("agenda", "--time-zone", "x"), 1, "write e.g. Europe/Berlin"),
        (("add", "X", "--start", "2031-03-04T99:00Z"), 2, "write 2026-03-02 09:30"),
        (("add", "X", "--start", "2031-03-04", "--every", "week", "--until", "2031-03-03"), 2, "--until is before --start"),
        (("add", "X", "--start", "2031-03-04", "--every", "fortnight"), 2, "e.g. “2 weeks”"),
        (("add", "X", "--start", "2031-03-04", "--count", "3"), 2, "--until and --count go with --every."),
        (("add", "X", "--start", "2031-03-04", "--every", "day", "--rule", "FREQ=DAILY"), 2, "Say --every or --rule"),
    ],
)
def test_a_typo_is_answered_with_how_to_write_it(run: Run, argv: tuple[str, ...], status: int, words: str) -> None:
    _, error = run("cal", *argv, expect=status)
    assert words in error and error.count("\n") == 1


def test_a_zone_may_be_named_as_windows_names_it(run: Run) -> None:
    run("cal", "add", "Call", "--start", "2031-03-04 09:00", "--time-zone", "Eastern Standard Time")
    assert "15:00–15:30  Call" in run("cal", "--from", "2031-03-04", "--days", "1")[0]


def test_what_is_private_is_marked_as_such(run: Run) -> None:
    run("cal", "add", "Dentist", "--start", "2031-03-04 09:00", "--private", "--show-as", "out-of-office")
    assert "Dentist  (out of office, private)" in run("cal", "--from", "2031-03-04", "--days", "1")[0]


def test_a_series_says_in_words_how_often_it_is_on(run: Run) -> None:
    made = run("cal", "add", "Round", "--start", "2031-03-04 09:00", "--every", "2 weeks", "--count", "3")[0].strip()
    assert "Repeats: every 2 weeks on Tuesday, 3 times\n" in run("cal", "show", made)[0]
    assert times(run, "2031-03-01", 40) == ["2031-03-04T09:00:00", "2031-03-18T09:00:00", "2031-04-01T09:00:00"]


def test_a_series_that_is_moved_to_another_hour_stays_off_where_it_was_called_off(run: Run) -> None:
    made = run("cal", "add", "Round", "--start", "2031-03-04 09:00", "--every", "week", "--count", "4")[0].strip()
    run("cal", "cancel", made, "--occurrence", "2031-03-11")
    run("cal", "move", made, "--occurrence", "2031-03-18", "--start", "14:00")
    _, error = run("cal", "move", made, "--start", "08:00")
    assert "“Round” is on Tuesday, 4 March 2031, 08:00–08:30 and on." in error
    assert "What was special about Tuesday, 18 March 2031, 09:00 is gone" in error and "11 March" not in error
    assert times(run, "2031-03-01", 40) == ["2031-03-04T08:00:00", "2031-03-18T08:00:00", "2031-03-25T08:00:00"]


def test_an_invitation_without_an_answer_is_not_called_tentative_too() -> None:
    waiting = Occurrence(my_response=RESPONSE_STATUS_NONE, busy_status="BUSY_STATUS_TENTATIVE")
    assert Shown(waiting, None, None).notes == ["not answered"]
    waiting.my_response = ResponseStatus.RESPONSE_STATUS_TENTATIVE
    assert Shown(waiting, None, None).notes == ["tentative"]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "Told a0@example.org."),
        (4, "Told a0@example.org, a1@example.org, a2@example.org and a3@example.org."),
        (5, "Told a0@example.org, a1@example.org, a2@example.org and 2 more."),
    ],
)
def test_whoever_was_told_is_named_as_long_as_they_are_few(count: int, words: str) -> None:
    submission = Submission()
    for number in range(count):
        submission.recipients.add().person.address = f"a{number}@example.org"
    assert told([submission]) == words

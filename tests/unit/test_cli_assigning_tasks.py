"""`rookery tasks assign` and `respond`, on a replica without a server, and how lists tell who has a task."""

from __future__ import annotations

import json
import sys

import pytest

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item
from rookery.v1.person_pb2 import Person
from rookery.v1.task_pb2 import AssignmentSide, TaskAssignment
from rookery_client.cli.assigning_tasks import standing, who_has
from rookery_client.cli.main import main
from rookery_core.rules.ids import text_of
from tests.support.replica_filling import TASKS, Device

BEN = Person(name="Ben", address="ben@example.org")
ANNA = Person(address="anna@example.org")


def task(subject="Report"):
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_TASK, subject
    item.summary.task.task_id = subject
    return item


def given_to_anna(item, response=ResponseStatus.RESPONSE_STATUS_NONE):
    state = item.content.task.assignment
    state.side, state.task_id, state.response = AssignmentSide.ASSIGNMENT_SIDE_ASSIGNEE, item.summary.task.task_id, response
    state.given_by.CopyFrom(BEN)
    state.taken_as.CopyFrom(ANNA)
    item.summary.task.owner.CopyFrom(ANNA)
    item.summary.task.assignment = TaskAssignment.TASK_ASSIGNMENT_REQUESTED
    return item


@pytest.fixture
def items(tmp_path, monkeypatch):
    """A task of Anna's own, and one that Ben gives her, in the replica of the default profile."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path))
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)
    device = Device(tmp_path / "replicas" / "default.replica")
    found = []
    for subject in ("Own \x1b[31mtask", "Given task"):
        item = device.message(subject, folder=TASKS)
        detail = task(subject) if subject[0] == "O" else given_to_anna(task(subject))
        item.summary.kind = ITEM_KIND_TASK
        item.summary.task.CopyFrom(detail.summary.task)
        item.content.task.CopyFrom(detail.content.task)
        device.put(item)
        found.append(text_of(item.id))
    device.close()
    return found


@pytest.fixture
def run(items, capfdbinary):
    """Runs `rookery --offline …`; gives stdout and stderr."""

    def run(*argv, expect=0):
        status = main(["--offline", *map(str, argv)])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        out, error = captured.out.decode(), captured.err.decode()
        assert status == expect, error
        return out, error

    return run


def test_a_task_is_offered_and_the_list_says_to_whom(run, items):
    own, _ = items
    out, error = run("tasks", "assign", own, "Ben <ben@example.org>", "--message", "please")
    assert (out, "“Own task” is offered to Ben <ben@example.org>." in error) == ("", True)
    listed, _ = run("tasks")
    assert "Who" in listed and "Ben?" in listed and "\x1b[31m" not in listed
    assert "Ben <ben@example.org> was asked to do this, and has not answered." in run("tasks", "show", own)[0]
    assert "hand a task to ben@example.org" in run("changes", "list")[0]
    asked = json.loads(run("tasks", "assign", own, "cleo@example.org", "--no-progress", "--json")[0])
    assert (asked["item"]["summary"]["task"]["owner"]["address"], asked["submissions"]) == ("cleo@example.org", [])


def test_a_task_that_was_given_is_accepted_or_declined(run, items):
    _, given = items
    assert f"Ben <ben@example.org> asks you to do this: rookery tasks respond {given} accept" in run("tasks", "show", given)[0]
    _, error = run("tasks", "respond", given, "accept", "--message", "gladly")
    assert "Accepted: “Given task”." in error
    shown, _ = run("tasks", "show", given)
    assert "Taken on from Ben <ben@example.org>." in shown
    assert "accept a task" in run("changes", "list")[0]
    assert "Declined: “Given task”." in run("tasks", "respond", given, "decline")[1]
    assert "Given task" not in run("tasks")[0]


def test_what_makes_no_sense_is_refused_with_a_friendly_line(run, items):
    own, given = items
    assert "is not one address" in run("tasks", "assign", own, "nobody", expect=2)[1]
    assert "once you accept it" in run("tasks", "assign", given, "cleo@example.org", expect=1)[1]
    assert "nobody has given you this task" in run("tasks", "respond", own, "accept", expect=1)[1]
    run("tasks", "respond", given, "maybe", expect=2)


def test_lists_have_a_column_for_who_has_a_task_only_where_somebody_was_asked(run, items):
    _, given = items
    run("tasks", "respond", given, "decline")
    assert "Who" not in run("tasks")[0]


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        (TaskAssignment.TASK_ASSIGNMENT_UNSPECIFIED, ""),
        (TaskAssignment.TASK_ASSIGNMENT_REQUESTED, "Ben?"),
        (TaskAssignment.TASK_ASSIGNMENT_ACCEPTED, "Ben"),
        (TaskAssignment.TASK_ASSIGNMENT_DECLINED, "Ben declined"),
    ],
)
def test_who_has_a_task_is_said_shortly(assignment, text):
    item = task()
    item.summary.task.assignment = assignment
    item.summary.task.owner.CopyFrom(BEN)
    assert who_has(item) == text


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (ResponseStatus.RESPONSE_STATUS_UNSPECIFIED, "Ben <ben@example.org> has taken it back."),
        (ResponseStatus.RESPONSE_STATUS_DECLINED, "Ben <ben@example.org> asked you to do this; you declined."),
    ],
)
def test_where_a_task_that_was_given_stands_is_said_in_a_sentence(response, text):
    assert standing(given_to_anna(task(), response)) == [text]


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (ResponseStatus.RESPONSE_STATUS_ACCEPTED, "Ben <ben@example.org> works on it."),
        (ResponseStatus.RESPONSE_STATUS_DECLINED, "Ben <ben@example.org> has declined."),
    ],
)
def test_what_became_of_a_task_that_was_given_away_is_said_with_the_words_that_came(response, text):
    item = task()
    state = item.content.task.assignment
    state.side, state.given_response, state.comment = AssignmentSide.ASSIGNMENT_SIDE_ASSIGNER, response, "well"
    state.given_to.CopyFrom(BEN)
    assert standing(item) == [text, "“well”"]

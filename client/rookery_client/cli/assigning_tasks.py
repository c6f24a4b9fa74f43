"""`tasks assign`, `tasks respond`: tasks handed to others, and tasks that were given; and how lists say who has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.task_pb2 import AssignmentSide, TaskAssignment
from rookery_client.cli import addressing
from rookery_client.cli.item_table import named
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import submission_view
from rookery_client.cli.terminal import clean
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.submission_pb2 import Submission

_ANSWERS = {
    "accept": (ResponseStatus.RESPONSE_STATUS_ACCEPTED, "Accepted"),
    "decline": (ResponseStatus.RESPONSE_STATUS_DECLINED, "Declined"),
}
_STANDINGS = {
    TaskAssignment.TASK_ASSIGNMENT_REQUESTED: "?",
    TaskAssignment.TASK_ASSIGNMENT_DECLINED: " declined",
}
_GIVEN = {AssignmentSide.ASSIGNMENT_SIDE_ASSIGNER, AssignmentSide.ASSIGNMENT_SIDE_BOTH}
_TAKEN = {AssignmentSide.ASSIGNMENT_SIDE_ASSIGNEE, AssignmentSide.ASSIGNMENT_SIDE_BOTH}
_MESSAGE = click.option("--message", default="", metavar="TEXT", help="Words to go with it.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@click.argument("item_id", metavar="ID")
@click.argument("address", metavar="ADDRESS")
@_MESSAGE
@click.option("--no-progress", is_flag=True, help="Do not ask to hear of progress.")
@_JSON
@pass_session
def assign(session: Session, item_id: str, address: str, message: str, no_progress: bool, as_json: bool) -> None:
    """Hand a task to somebody, here or elsewhere.

    The task stays in the list and follows what they do. What is done to it here tells them nothing.
    """
    wanted, to = parse(item_id), addressing.sender(address, "ADDRESS")
    response = session.run(lambda client: client.tasks.assign(wanted, to, comment=message, progress_requested=not no_progress))
    words = f"“{clean(response.item.summary.subject)}” is offered to {clean(named(to))}."
    if not session.offline and not response.submissions:
        words = f"{clean(named(to))} has been asked already: nothing was sent."
    _tell(response.item, response.submissions, words, as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.argument("answer", type=click.Choice(list(_ANSWERS)))
@_MESSAGE
@_JSON
@pass_session
def respond(session: Session, item_id: str, answer: str, message: str, as_json: bool) -> None:
    """Answer to a task that was given to you; ID is the task's, or that of the message that brought it.

    What is declined goes to Deleted Items.
    """
    wanted, (response, done) = parse(item_id), _ANSWERS[answer]
    answered = session.run(lambda client: client.tasks.respond(wanted, response, comment=message))
    words = f"{done}: “{clean(answered.item.summary.subject)}”."
    _tell(answered.item, answered.submissions, words, as_json=as_json)


def who_has(item: Item) -> str:
    """Who works on a task that was handed over, in a list: "?" behind who has not answered. "" for other items."""
    task = item.summary.task
    if item.summary.kind != ItemKind.ITEM_KIND_TASK or not task.assignment:
        return ""
    return f"{task.owner.name or task.owner.address}{_STANDINGS.get(task.assignment, '')}"


def standing(item: Item) -> list[str]:
    """In sentences: from whom a task is, who has it, and what can be done."""
    state = item.content.task.assignment
    found = []
    if state.side in _TAKEN:
        giver, answer = clean(named(state.given_by)), f"rookery tasks respond {text_of(item.id)} accept (or decline)"
        found.append(
            {
                ResponseStatus.RESPONSE_STATUS_NONE: f"{giver} asks you to do this: {answer}",
                ResponseStatus.RESPONSE_STATUS_ACCEPTED: f"Taken on from {giver}.",
                ResponseStatus.RESPONSE_STATUS_DECLINED: f"{giver} asked you to do this; you declined.",
            }.get(state.response, f"{giver} has taken it back.")
        )
    if state.side in _GIVEN:
        taker = clean(named(state.given_to))
        found.append(
            {
                ResponseStatus.RESPONSE_STATUS_ACCEPTED: f"{taker} works on it.",
                ResponseStatus.RESPONSE_STATUS_DECLINED: f"{taker} has declined.",
            }.get(state.given_response, f"{taker} was asked to do this, and has not answered.")
        )
    if found and state.comment:
        found.append(f"“{clean(state.comment)}”")
    return found


def _tell(item: Item, submissions: Sequence[Submission], words: str, *, as_json: bool) -> None:
    if as_json:
        emit({"item": item_view(item), "submissions": [submission_view(each) for each in submissions]})
    else:
        click.echo(words, err=True)


COMMANDS = (assign, respond)

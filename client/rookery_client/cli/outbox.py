"""`outbox`, `unsend`, `resend`: mail on its way, what became of it, calling it back, and trying again where it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery_client.cli.json_view import emit
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import (
    in_short,
    sentence,
    show_recipients,
    standing,
    submission_view,
)
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_client import Client


@click.group(invoke_without_command=True)
@click.option("--all", "all_of_them", is_flag=True, help="What has arrived too, of the last 30 days.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
@pass_session
def outbox(session: Session, context: click.Context, all_of_them: bool, as_json: bool) -> None:
    """List messages that have not arrived everywhere yet, newest first."""
    if context.invoked_subcommand is not None:
        if all_of_them or as_json:
            raise click.UsageError(f"Options come behind “{context.invoked_subcommand}”.")
        return

    async def work(client: Client) -> tuple[list[Submission], dict[bytes, str]]:
        found = [each async for each in client.submissions.list(unfinished=not all_of_them, page_size=500)]
        return found, await _subjects(client, found)

    submissions, subjects = session.run(work)
    if as_json:
        emit({"submissions": [submission_view(each, subjects.get(each.item_id)) for each in submissions]})
        return
    rows = [
        (
            subjects.get(each.item_id, ""),
            standing(each),
            moment(each.hold_until) or moment(each.submitted),
            in_short(each),
            text_of(each.id),
        )
        for each in submissions
    ]
    table(["Subject", "State", "Leaves", "Recipients", "ID"], rows, cut=["Subject", "Recipients"], drop=["Leaves", "Recipients"])


@outbox.command("show")
@click.argument("submission_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def show_one(session: Session, submission_id: str, as_json: bool) -> None:
    """Show what became of a message, recipient by recipient."""
    wanted = parse(submission_id)

    async def work(client: Client) -> tuple[Submission, dict[bytes, str]]:
        found = await client.submissions.get(wanted)
        return found, await _subjects(client, [found])

    submission, subjects = session.run(work)
    subject = subjects.get(submission.item_id)
    if as_json:
        emit({"submission": submission_view(submission, subject)})
        return
    fields = {
        "Subject": subject or "",
        "Message": text_of(submission.item_id),
        "From": submission.sender,
        "Submitted": moment(submission.submitted),
        "Leaves": moment(submission.hold_until),
        "State": standing(submission),
    }
    for name, value in fields.items():
        if value:
            click.echo(f"{name}: {clean(value)}")
    click.echo()
    show_recipients(submission)
    for each in submission.recipients:
        if each.report_item_id:
            click.echo(f"Report about {clean(each.person.address)}: rookery show {text_of(each.report_item_id)}")


@click.command()
@click.argument("submission_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def unsend(session: Session, submission_id: str, as_json: bool) -> None:
    """Call a message back that has not left yet: it is a draft again."""
    wanted = parse(submission_id)
    _tell(session.run(lambda client: client.submissions.cancel(wanted)), as_json=as_json)


@click.command()
@click.argument("submission_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def resend(session: Session, submission_id: str, as_json: bool) -> None:
    """Send a message once more to those who did not get it, and to nobody else."""
    wanted = parse(submission_id)
    _tell(session.run(lambda client: client.submissions.resend(wanted)), as_json=as_json)


def _tell(submission: Submission, *, as_json: bool) -> None:
    if as_json:
        emit({"submission": submission_view(submission)})
    else:
        click.echo(sentence(submission), err=True)


async def _subjects(client: Client, submissions: list[Submission]) -> dict[bytes, str]:
    """The subjects of messages by their ids, as far as they are still there."""
    wanted = list(dict.fromkeys(each.item_id for each in submissions))
    if not wanted:
        return {}
    return {item.id: item.summary.subject for item in (await client.items.batch_get(wanted)).items}


COMMANDS = (outbox, unsend, resend)

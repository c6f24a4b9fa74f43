"""Reading one item: `show`, `raw`, `save-attachment`."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from rookery.v1.item_pb2 import Attachment, Item, ItemLife, RecipientType
from rookery.v1.person_pb2 import Person
from rookery_client.cli.files import require_free, safe_name, written
from rookery_client.cli.item_table import marks, named, wall_time
from rookery_client.cli.json_view import emit, item_view, view
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.meeting_view import show_meeting
from rookery_client.cli.progress import bar
from rookery_client.cli.repetition import repetition
from rookery_client.cli.replicas import keep, kept_bytes
from rookery_client.cli.report_view import authentication, show_report
from rookery_client.cli.scheduling_view import show_scheduling
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import show_recipients, submission_view
from rookery_client.cli.terminal import clean, clean_block, moment, size
from rookery_core.errors import NotFound
from rookery_core.rules.body_text import text_of_html
from rookery_core.rules.ids import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from rookery.v1.submission_pb2 import Submission
    from rookery_client import Client

_RECIPIENTS = {
    "To": {RecipientType.RECIPIENT_TYPE_UNSPECIFIED, RecipientType.RECIPIENT_TYPE_TO},
    "Cc": {RecipientType.RECIPIENT_TYPE_CC},
    "Bcc": {RecipientType.RECIPIENT_TYPE_BCC},
    "Reply-To": {RecipientType.RECIPIENT_TYPE_REPLY_TO},
}
_STDOUT = pathlib.Path("-")
_HIDDEN = {
    "data",
    "exceptions",
    "recurrence",
    "source",
    "attendees",
    "meeting",
    "meeting_id",
    "sequence",
    "response_requested",
    "task_id",
    "occurrence",
    "assignment",
}


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def show(session: Session, item_id: str, as_json: bool) -> None:
    """Show an item: its fields, its text, its attachments by number."""
    wanted = parse(item_id)

    async def work(client: Client) -> tuple[Item, list[Submission], Item | None]:
        found = await client.items.get(wanted)
        submitted = [each async for each in client.submissions.list(item_id=wanted)] if _may_have_left(found) else []
        about = found.content.message.scheduling.item_id
        known = (await client.items.batch_get([about])).items if about else ()
        return found, submitted, next(iter(known), None)

    item, submissions, about = session.run(work)
    keep(session, lambda contents: contents.put(item.id, item.content_revision, item.content.SerializeToString()))
    if as_json:
        emit({"item": item_view(item), "submissions": [submission_view(each) for each in submissions]})
        return
    print_item(item, about)
    show_meeting(item, local_zone())
    if submissions:
        click.echo()
        show_recipients(submissions[0])


def _may_have_left(item: Item) -> bool:
    """Whether it is a message that was written here and is no draft any more: what came from elsewhere has its original."""
    message = item.summary.WhichOneof("detail") == "message"
    return message and not item.summary.message.draft and not item.content.message.has_original


def print_item(item: Item, about: Item | None = None) -> None:
    """Prints an item for people: its fields, its text, its attachments by number.

    Of a message about a meeting also what it says of it; ``about`` is the appointment, if it is there.
    """
    console = Console(highlight=False, soft_wrap=True)
    for name, value in _fields(item):
        if value:
            console.print(Text(f"{name}: ", style="bold").append(Text(clean(value), style="not bold")))
    if item.content.message.HasField("report"):
        console.print()
        show_report(item.content.message.report)
    if item.content.message.HasField("scheduling"):
        console.print()
        show_scheduling(item, about)
    body = item.content.body
    text = body.text or text_of_html(body.html)
    if text:
        console.print()
        console.print(Text(clean_block(text).rstrip("\n")))
    if item.content.attachments:
        console.print()
    for attachment in item.content.attachments:
        console.print(Text(f"[{attachment.id}] {clean(attachment.name)} ({_about(attachment)})"))


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--output", type=click.Path(dir_okay=False, path_type=pathlib.Path), help="Write to this file, not to stdout.")
@pass_session
def raw(session: Session, item_id: str, output: pathlib.Path | None) -> None:
    """Print an item as a document: a message exactly as it came, iCalendar, or vCard."""
    wanted = parse(item_id)

    async def work(client: Client) -> None:
        download = client.content.download_document(wanted)
        with written(output) as file, bar("Saving", None, hidden=output is None) as advance:
            async for piece in download:
                file.write(piece)
                advance(len(piece), total=download.info.total_bytes if download.info is not None else None)

    session.run(work)


@click.command("save-attachment")
@click.argument("item_id", metavar="ID")
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@click.option(
    "--output",
    type=click.Path(path_type=pathlib.Path),
    help="Where to; a folder, a file, or - for stdout. Its own name, here, if left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def save_attachment(session: Session, item_id: str, number: int, output: pathlib.Path | None, as_json: bool) -> None:
    """Save attachment number N of an item, as `rookery show` counts them."""
    wanted = parse(item_id)
    if as_json and output == _STDOUT:
        raise click.UsageError("--json goes with a file, not with --output -.")

    async def work(client: Client) -> tuple[pathlib.Path | None, Attachment]:
        item = await client.items.get(wanted)
        found = next((each for each in item.content.attachments if each.id == number), None)
        if found is None:
            raise NotFound("ATTACHMENT_NOT_FOUND", f"the item has no attachment {number}: `rookery show` lists them")
        target = _target(output, found)
        is_kept, pieces = found.size_bytes <= kept_bytes(session), []
        with written(target) as file, bar("Saving", found.size_bytes, hidden=target is None) as advance:
            async for piece in client.content.download_attachment(wanted, number):
                file.write(piece)
                advance(len(piece))
                if is_kept:
                    pieces.append(piece)
        if is_kept:
            keep(session, lambda contents: contents.put_attachment(item.id, number, item.content_revision, b"".join(pieces)))
        return target, found

    target, saved = session.run(work)
    if as_json:
        emit({"path": str(target), "attachment": view(saved)})
    elif target is not None:
        click.echo(clean(str(target)))


def _target(output: pathlib.Path | None, attachment: Attachment) -> pathlib.Path | None:
    if output == _STDOUT:
        return None
    own = safe_name(attachment.name, f"attachment-{attachment.id}")
    if output is None:
        return require_free(pathlib.Path(own))
    return require_free(output / own if output.is_dir() else output)


def _about(attachment: Attachment) -> str:
    return f"{clean(attachment.media_type)}, {size(attachment.size_bytes)}"


def _fields(item: Item) -> Iterator[tuple[str, str]]:
    """What stands above the text."""
    summary, state = item.summary, item.state
    if summary.WhichOneof("detail") == "message":
        yield from _message_fields(item)
    yield "Subject", summary.subject
    yield from _detail_fields(summary)
    yield from _detail_fields(item.content)
    yield "Repeats", repetition(item)
    yield "Categories", ", ".join(state.categories)
    yield "Marks", marks(item)
    yield "Follow up", " ".join(part for part in (state.follow_up.request, moment(state.follow_up.due)) if part)
    if item.life == ItemLife.ITEM_LIFE_RECOVERABLE:
        yield "Deleted", "yes; `rookery restore` brings it back"


def _message_fields(item: Item) -> Iterator[tuple[str, str]]:
    message = item.summary.message
    yield "From", named(getattr(message, "from"))
    if message.HasField("sender"):
        yield "Sender", named(message.sender)
    for title, types in _RECIPIENTS.items():
        yield title, ", ".join(named(each.person) for each in item.content.recipients if each.type in types)
    yield "Date", moment(item.summary.sent) or moment(item.summary.received)
    yield "Checked", authentication(item.content.message.authentication_results)


def _detail_fields(part: Message) -> Iterator[tuple[str, str]]:
    """What only one kind has, field by field; a message's own fields are shown elsewhere."""
    arm = part.WhichOneof("detail")
    if arm is None or arm == "message":
        return
    for field, value in getattr(part, arm).ListFields():
        if field.name not in _HIDDEN:
            yield field.name.replace("_", " ").capitalize(), _plain(view(getattr(part, arm))[field.name], value)


def _plain(shown: Any, value: Any) -> str:
    """A field's value in a line."""
    if hasattr(value, "local"):
        return wall_time(value)
    if hasattr(value, "ToJsonString"):
        return moment(value)
    if isinstance(shown, dict):
        return _joined(shown)
    if isinstance(shown, list):
        return "; ".join(_plain(each, None) for each in shown)
    if shown is None or shown is False or shown == 0:
        return ""
    return "yes" if shown is True else str(shown).replace("\n", ", ")


def _joined(shown: dict[str, Any]) -> str:
    """The parts of a record within a record: a date in one piece, of others what says something by itself."""
    if shown.keys() == {"year", "month", "day"}:
        return "-".join(f"{part:02}" if part else "??" for part in shown.values())
    if shown.keys() == {"name", "address"}:
        return named(Person(**shown))
    parts = (_plain(part, None) for name, part in shown.items() if name not in _HIDDEN and part is not True)
    return " ".join(part for part in parts if part)


COMMANDS = (show, raw, save_attachment)

"""Making and changing items from JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import click
from google.protobuf.descriptor import FieldDescriptor

from rookery.v1.item_pb2 import Item
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.item_table import wall_time
from rookery_client.cli.json_input import load
from rookery_client.cli.json_input import parse as parse_record
from rookery_client.cli.json_view import emit, item_view, view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean
from rookery_core.errors import InvalidArgument
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery_client import Client


@click.command()
@click.option("--folder", type=FOLDER, help="Where to; the folder of its kind if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def create(session: Session, folder: str | None, as_json: bool) -> None:
    """Make an item from JSON on stdin.

    An Item of the contract, in the form that `rookery show --json` prints, e.g.
    {"summary": {"kind": "note", "subject": "Milk"}, "content": {"body": {"text": "two litres"}}}
    """
    item = parse_record(_json(sys.stdin), Item())

    async def work(client: Client) -> Item:
        if folder is not None:
            item.folder_id = (await find(client, folder)).id
        return await client.items.create(item)

    made = session.run(work)
    if as_json:
        emit({"item": item_view(made)})
    else:
        click.echo(text_of(made.id))


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--subject", metavar="TEXT", help="Another subject: short for --set summary.subject=TEXT.")
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Give a field a value, JSON or plain text.")
@click.option("--clear", "cleared", metavar="PATH", multiple=True, help="Clear a field.")
@click.option("--etag", type=int, default=0, metavar="N", help="Only if content_revision is still N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def edit(
    session: Session,
    item_id: str,
    subject: str | None,
    changes: tuple[str, ...],
    cleared: tuple[str, ...],
    etag: int,
    as_json: bool,
) -> None:
    """Change fields of an item, by their paths in the contract, e.g. --set summary.task.percent_complete=50."""
    wanted = parse(item_id)
    document: dict[str, Any] = {}
    paths: list[str] = []
    for path, value in _assignments(subject, changes):
        _put(document, path, value)
        paths.append(path)
    paths.extend(cleared)
    if not paths:
        raise click.UsageError("Say what to change: --subject, --set or --clear.")
    item = parse_record(document, Item())
    item.id = wanted
    answer = session.run(lambda client: client.items.change(item, paths, etag=etag))
    if as_json:
        emit({"item": item_view(answer.item), "dropped_exceptions": [view(each) for each in answer.dropped_exceptions]})
        return
    click.echo("Changed.", err=True)
    for exception in answer.dropped_exceptions:
        day = wall_time(exception.original_start)
        click.echo(f"What was special about {clean(day)} is gone: the series has no such occurrence any more.", err=True)


def _assignments(subject: str | None, changes: tuple[str, ...]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [] if subject is None else [("summary.subject", subject)]
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals or not path:
            raise click.UsageError(f"--set {change}: write PATH=VALUE.")
        found.append((path, _value_for(path, value)))
    return found


def _value_for(path: str, text: str) -> Any:
    """The JSON value that `text` is; the text itself where the field holds text, or where it is no JSON."""
    field: Any = None
    message: Any = Item.DESCRIPTOR
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message is not None else None
        message = field.message_type if field is not None else None
    if field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
        return text
    try:
        return load(text)
    except ValueError:
        return text


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise InvalidArgument("FIELD_INVALID", f"{path} lies below a field that gets a value itself")
    document[last] = value


def _json(stream: TextIO) -> Any:
    try:
        return load(stream.read())
    except UnicodeDecodeError:
        raise InvalidArgument("FIELD_INVALID", "stdin is not UTF-8") from None
    except ValueError as error:
        raise InvalidArgument("FIELD_INVALID", f"stdin is no JSON: {error}") from None


COMMANDS = (create, edit)

"""`cal publish` and its kin: calendars that others subscribe to by a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1 import calendar_service_pb2 as pb
from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery_client import Client

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_DETAILS = {
    pb.PUBLISHED_DETAIL_TIMES: "times only",
    pb.PUBLISHED_DETAIL_FULL: "subjects and places",
}


@click.command()
@click.option("--folder", type=FOLDER, default="calendar", show_default=True, help="The calendar.")
@click.option("--full", is_flag=True, help="Show subjects, places and texts too, but of what is private.")
@_JSON
@pass_session
def publish(session: Session, folder: str, full: bool, as_json: bool) -> None:
    """Give a calendar a URL that calendar programs can subscribe to.

    Whoever knows the URL sees the calendar. It is shown this once.
    """
    detail = pb.PUBLISHED_DETAIL_FULL if full else pb.PUBLISHED_DETAIL_TIMES

    async def work(client: Client) -> pb.PublishedCalendar:
        chosen = resolve(await client.folders.list(), folder)
        return (await client.calendar.publish(chosen.id, detail)).calendar

    published = session.run(work)
    if as_json:
        emit(view(published))
        return
    click.echo(published.url)
    click.echo(f"Shows {_DETAILS[published.detail]}. Take it back with: rookery cal unpublish {text_of(published.id)}", err=True)


@click.command()
@_JSON
@pass_session
def published(session: Session, as_json: bool) -> None:
    """List the calendars that others can subscribe to."""

    async def work(client: Client) -> tuple[list[pb.PublishedCalendar], dict[bytes, str]]:
        names = {folder.id: folder.name for folder in await client.folders.list()}
        return list((await client.calendar.published()).calendars), names

    found, names = session.run(work)
    if as_json:
        emit({"calendars": [view(each) for each in found]})
        return
    if not found:
        click.echo("No calendar is published.")
        return
    rows = [
        (
            clean(names.get(each.folder_id, "(deleted)")),
            _DETAILS.get(each.detail, "times only"),
            moment(each.last_fetched) if each.HasField("last_fetched") else "never",
            text_of(each.id),
        )
        for each in found
    ]
    table(("Calendar", "Shows", "Fetched", "ID"), rows, cut=["Calendar"], drop=["Fetched", "Shows"])


@click.command()
@click.argument("published_id", metavar="ID")
@_JSON
@pass_session
def unpublish(session: Session, published_id: str, as_json: bool) -> None:
    """Take a calendar's URL away."""
    calendar_id = parse(published_id)

    async def work(client: Client) -> None:
        await client.calendar.unpublish(calendar_id)

    session.run(work)
    if as_json:
        emit({"unpublished": text_of(calendar_id)})
        return
    click.echo("Nobody can fetch it any more.")


COMMANDS = (publish, published, unpublish)

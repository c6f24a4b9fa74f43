"""Marking, moving, copying, deleting and restoring items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rookery.v1.item_pb2 import FlagStatus, FollowUp
from rookery.v1.item_service_pb2 import DeleteMode
from rookery_client.cli.filters import moment
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.session import Session, pass_session
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_service_pb2 import (
        CopyItemsResponse,
        DeleteItemsResponse,
        MoveItemsResponse,
        RestoreItemsResponse,
        SetItemStateResponse,
    )
    from rookery_client import Client

    Response = SetItemStateResponse | MoveItemsResponse | CopyItemsResponse | DeleteItemsResponse | RestoreItemsResponse


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--read/--unread", default=None, help="Read, or unread again.")
@click.option("--flag", "flag", flag_value="flagged", help="Flag for follow-up.")
@click.option("--done", "flag", flag_value="completed", help="The follow-up is done.")
@click.option("--unflag", "flag", flag_value="", help="Take the flag off.")
@click.option("--request", metavar="TEXT", help="With --flag: what to do, e.g. Reply.")
@click.option("--due", metavar="TIME", help="With --flag: until when.")
@click.option("--category", "add", metavar="NAME", multiple=True, help="Add a category; may be given again.")
@click.option("--no-category", "remove", metavar="NAME", multiple=True, help="Take a category off; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def mark(session: Session, /, ids: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Mark items: read, flagged, categories."""
    wanted = _parsed(ids)
    follow_up = _follow_up(options["flag"], options["request"], options["due"])
    if options["read"] is None and follow_up is None and not options["add"] and not options["remove"]:
        raise click.UsageError("Say how to mark: --read, --unread, --flag, --done, --unflag, --category or --no-category.")
    response = session.run(
        lambda client: client.items.set_state(
            wanted,
            read=options["read"],
            follow_up=follow_up,
            add_categories=options["add"],
            remove_categories=options["remove"],
        )
    )
    _tell(response, f"{response.changed:,} marked", as_json=as_json)


def _follow_up(flag: str | None, request: str | None, due: str | None) -> FollowUp | None:
    if flag != "flagged" and (request is not None or due is not None):
        raise click.UsageError("--request and --due go with --flag.")
    if flag is None:
        return None
    states = {"flagged": FlagStatus.FLAG_STATUS_FLAGGED, "completed": FlagStatus.FLAG_STATUS_COMPLETED}
    follow_up = FollowUp(status=states.get(flag, FlagStatus.FLAG_STATUS_UNSPECIFIED), request=request or "")
    if due is not None:
        follow_up.due.CopyFrom(moment(due, "--due"))
    return follow_up


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def move(session: Session, ids: tuple[str, ...], folder: str, as_json: bool) -> None:
    """Move items into a folder; they keep their ids."""
    wanted = _parsed(ids)

    async def work(client: Client) -> MoveItemsResponse:
        return await client.items.move(wanted, (await find(client, folder)).id)

    response = session.run(work)
    _tell(response, f"{response.moved:,} moved", as_json=as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def copy(session: Session, ids: tuple[str, ...], folder: str, as_json: bool) -> None:
    """Copy items into a folder; prints the copies' ids."""
    wanted = _parsed(ids)

    async def work(client: Client) -> CopyItemsResponse:
        return await client.items.copy(wanted, (await find(client, folder)).id)

    response = session.run(work)
    if not as_json:
        for made in response.copies:
            click.echo(text_of(made.item_id))
    _tell(response, f"{len(response.copies):,} copied", as_json=as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--recoverable", is_flag=True, help="Skip Deleted Items; they can still be restored for some time.")
@click.option("--permanent", is_flag=True, help="Delete for good.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting for good.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def rm(session: Session, ids: tuple[str, ...], recoverable: bool, permanent: bool, yes: bool, as_json: bool) -> None:
    """Delete items: move them to Deleted Items, or what lies there already out of it."""
    if recoverable and permanent:
        raise click.UsageError("Either --recoverable or --permanent.")
    wanted = _parsed(ids)
    if permanent and not yes:
        click.confirm(f"Delete {len(wanted):,} item{'' if len(wanted) == 1 else 's'} for good?", abort=True, err=True)
    mode = DeleteMode.DELETE_MODE_TO_DELETED_ITEMS
    if recoverable or permanent:
        mode = DeleteMode.DELETE_MODE_PERMANENT if permanent else DeleteMode.DELETE_MODE_RECOVERABLE
    response = session.run(lambda client: client.items.delete(wanted, mode=mode))
    _tell(response, f"{response.deleted:,} deleted", as_json=as_json)


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--folder", type=FOLDER, help="Where to; where they were if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def restore(session: Session, ids: tuple[str, ...], folder: str | None, as_json: bool) -> None:
    """Bring deleted items back (`rookery ls FOLDER --deleted` lists them)."""
    wanted = _parsed(ids)

    async def work(client: Client) -> RestoreItemsResponse:
        target = (await find(client, folder)).id if folder is not None else b""
        return await client.items.restore(wanted, folder_id=target)

    response = session.run(work)
    _tell(response, f"{response.restored:,} restored", as_json=as_json)


def _parsed(ids: Sequence[str]) -> list[bytes]:
    return list(dict.fromkeys(parse(text) for text in ids))


def _tell(response: Response, done: str, *, as_json: bool) -> None:
    """Prints the outcome; fails if an id named nothing."""
    if as_json:
        emit(view(response))
    else:
        click.echo(f"{done}.", err=True)
    for missing in response.missing_ids:
        click.echo(f"rookery: there is no such item here: {text_of(missing)}", err=True)
    if response.missing_ids:
        raise click.exceptions.Exit(1)


COMMANDS = (mark, move, copy, rm, restore)

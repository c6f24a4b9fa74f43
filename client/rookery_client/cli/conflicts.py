"""`conflicts`: versions of items that lost against others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import Item, ItemLife
from rookery_client.cli.json_view import emit, identifier, item_view, view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.showing import print_item
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import Conflict
    from rookery_client import Client

_LIVES = {ItemLife.ITEM_LIFE_LIVE: "", ItemLife.ITEM_LIFE_RECOVERABLE: "deleted", ItemLife.ITEM_LIFE_UNSPECIFIED: "gone"}


@click.group()
def conflicts() -> None:
    """Versions that lost when an item was changed in two places at once; they are kept for 90 days.

    An id is that of the item. Where versions of several devices are kept for it, --device says which.
    """


@conflicts.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def list_conflicts(session: Session, as_json: bool) -> None:
    """List the versions that lost, newest first."""
    found = session.run(lambda client: client.sync.conflicts())
    if as_json:
        emit({"conflicts": [view(each) for each in found]})
        return
    several = len({each.item_id for each in found}) < len(found)
    rows = [
        (
            moment(each.created),
            each.summary.subject,
            each.device_name,
            ", ".join(each.units),
            _LIVES.get(each.item_life, ""),
            text_of(each.item_id),
            *((text_of(each.device_id),) if several else ()),
        )
        for each in found
    ]
    titles = ["Noted", "Subject", "Device", "What lost", "Item", "ID", *(("Device ID",) if several else ())]
    table(titles, rows, cut=["Subject", "Device", "What lost"], drop=["Noted"])


@conflicts.command()
@click.argument("item_id", metavar="ID")
@click.option("--device", metavar="ID", help="The device whose version lost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def show(session: Session, item_id: str, device: str | None, as_json: bool) -> None:
    """Show a version that lost, as `rookery show` does with an item."""
    wanted = _wanted(item_id, device)

    async def work(client: Client) -> Conflict:
        return await client.sync.conflict(*await _found(client, *wanted))

    conflict = session.run(work)
    if as_json:
        emit({"conflict": view(conflict)})
        return
    click.echo(f"Lost: {clean(', '.join(conflict.units))}; noted {moment(conflict.created)}, of {_device(conflict)}")
    print_item(Item(id=conflict.item_id, summary=conflict.summary, content=conflict.content, life=conflict.item_life))


@conflicts.command()
@click.argument("item_id", metavar="ID")
@click.option("--device", metavar="ID", help="The device whose version lost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def restore(session: Session, item_id: str, device: str | None, as_json: bool) -> None:
    """Make a version that lost the current one, in what it had lost; prints the item's id.

    A deleted item is restored; of one that is gone a new one is made.
    """
    wanted = _wanted(item_id, device)

    async def work(client: Client) -> Item:
        return await client.sync.restore_conflict(*await _found(client, *wanted))

    item = session.run(work)
    if as_json:
        emit({"item": item_view(item)})
    else:
        click.echo(text_of(item.id))


@conflicts.command()
@click.argument("item_id", metavar="ID")
@click.option("--device", metavar="ID", help="The device whose version lost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def dismiss(session: Session, item_id: str, device: str | None, as_json: bool) -> None:
    """Forget a version that lost."""
    wanted = _wanted(item_id, device)

    async def work(client: Client) -> tuple[bytes, bytes]:
        key = await _found(client, *wanted)
        await client.sync.dismiss_conflict(*key)
        return key

    of_item, of_device = session.run(work)
    if as_json:
        emit({"item_id": identifier(of_item), "device_id": identifier(of_device)})
    else:
        click.echo("Forgotten.", err=True)


def _wanted(item_id: str, device: str | None) -> tuple[bytes, bytes]:
    return parse(item_id), parse(device) if device is not None else b""


async def _found(client: Client, item_id: bytes, device_id: bytes) -> tuple[bytes, bytes]:
    """Item and device of the one conflict that is meant."""
    if device_id:
        return item_id, device_id
    kept = [each for each in await client.sync.conflicts() if each.item_id == item_id]
    if not kept:
        message = f"no version of {text_of(item_id)} has lost: `rookery conflicts list` lists those that have"
        raise NotFound("CONFLICT_NOT_FOUND", message)
    if len(kept) > 1:
        named = ", ".join(f"{text_of(each.device_id)} ({clean(_device(each))})" for each in kept)
        raise InvalidArgument("FIELD_INVALID", f"versions of several devices are kept: say --device ID, one of {named}")
    return item_id, kept[0].device_id


def _device(conflict: Conflict) -> str:
    return conflict.device_name or "a device that is signed out"


COMMANDS = (conflicts,)

"""`ls`: the items of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rookery.v1.item_pb2 import ItemKind, ItemLife
from rookery.v1.item_service_pb2 import SortDirection, SortKey
from rookery_client.cli import filters
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.item_table import show_items
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.kinds import KIND, Words
from rookery_client.cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.item_pb2 import Item
    from rookery.v1.restriction_pb2 import Restriction
    from rookery_client import Client

SORTS = {name.removeprefix("SORT_KEY_").lower(): number for name, number in SortKey.items() if number}
_UPWARDS = {SortKey.SORT_KEY_FROM, SortKey.SORT_KEY_SUBJECT, SortKey.SORT_KEY_START, SortKey.SORT_KEY_DUE}
"""What people read from the smallest on: names, and times to come."""

_USUAL_SORT = {
    ItemKind.ITEM_KIND_APPOINTMENT: SortKey.SORT_KEY_START,
    ItemKind.ITEM_KIND_TASK: SortKey.SORT_KEY_DUE,
    ItemKind.ITEM_KIND_CONTACT: SortKey.SORT_KEY_FROM,
}
_TIMES = {
    ItemKind.ITEM_KIND_APPOINTMENT: "start",
    ItemKind.ITEM_KIND_TASK: "due",
    ItemKind.ITEM_KIND_JOURNAL: "start",
}


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--sort", type=Words(SORTS), help="By what; what suits the folder where left out.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0 is all.")
@click.option("--unread", is_flag=True, help="Only what is not read yet.")
@click.option("--flagged", is_flag=True, help="Only what is flagged for follow-up.")
@click.option("--category", metavar="NAME", help="Only what has the category.")
@click.option("--has-attachment", is_flag=True, help="Only what has attachments.")
@click.option(
    "--since", metavar="TIME", help="Only from this day or time on; of appointments their start, of tasks their due time."
)
@click.option("--until", metavar="TIME", help="Only up to this day, all of it, or time.")
@click.option("--kind", type=KIND, help="Only items of the kind.")
@click.option("--deleted", is_flag=True, help="What was deleted from the folder and can be restored.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def ls(session: Session, /, folder: str, limit: int, deleted: bool, as_json: bool, **options: Any) -> None:
    """List the items of a folder.

    Marks: N not read, F flagged, ! important, @ attachments.
    """

    async def work(client: Client) -> list[Item]:
        found = await find(client, folder)
        sort = options["sort"] or _USUAL_SORT.get(found.default_kind, SortKey.SORT_KEY_RECEIVED)
        upwards = (sort in _UPWARDS) != options["reverse"]
        listed = client.items.list(
            found.id,
            sort_key=sort,
            sort_direction=SortDirection.SORT_DIRECTION_ASCENDING if upwards else SortDirection.SORT_DIRECTION_DESCENDING,
            restriction=filters.all_of(_conditions(found, **options)),
            life=ItemLife.ITEM_LIFE_RECOVERABLE if deleted else ItemLife.ITEM_LIFE_LIVE,
            page_size=min(limit or 500, 500),
        )
        items: list[Item] = []
        async for item in listed:
            items.append(item)
            if len(items) == limit:
                break
        return items

    items = session.run(work)
    if as_json:
        emit({"items": [item_view(item) for item in items]})
    else:
        show_items(items)


def _conditions(
    folder: Folder,
    *,
    unread: bool,
    flagged: bool,
    category: str | None,
    has_attachment: bool,
    since: str | None,
    until: str | None,
    kind: ItemKind.ValueType | None,
    **_others: Any,
) -> Iterator[Restriction]:
    time = _TIMES.get(kind or folder.default_kind, "summary.received")
    if unread:
        yield filters.unread()
    if flagged:
        yield filters.flagged()
    if category is not None:
        yield filters.category(category)
    if has_attachment:
        yield filters.has_attachment()
    if since is not None:
        yield filters.since(time, since)
    if until is not None:
        yield filters.until(time, until)
    if kind is not None:
        yield filters.of_kind(kind)


COMMANDS = (ls,)

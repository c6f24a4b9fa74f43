"""`search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.item_table import show_items
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.session import Session, pass_session

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_client import Client


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--folder", "folders", type=FOLDER, multiple=True, help="Only in this folder; may be given again.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="At most so many; 0 is all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def search(session: Session, query: tuple[str, ...], folders: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find items by words, newest first.

    Words, prefix*, "a phrase", -without, and from: to: subject: has:attachment is:unread is:read is:flagged
    before:2026-03-01 after:2026-02-01 in:inbox kind:task category:red. All but Deleted Items and Junk are searched.
    """

    async def work(client: Client) -> tuple[list[Item], bool]:
        known = await client.folders.list() if folders else []
        chosen = [resolve(known, name).id for name in folders]
        items: list[Item] = []
        token, incomplete = "", False
        while True:
            size = min(limit - len(items), 500) if limit else 500
            page = await client.searching.page(" ".join(query), folder_ids=chosen, page_size=size, page_token=token)
            items.extend(page.items)
            incomplete = incomplete or page.incomplete
            token = page.next_page_token
            if not token or (limit and len(items) >= limit):
                return items, incomplete

    items, incomplete = session.run(work)
    if as_json:
        emit({"items": [item_view(item) for item in items], "incomplete": incomplete})
        return
    show_items(items)
    if incomplete:
        click.echo("Items that came in just now may be missing: search again.", err=True)


COMMANDS = (search,)

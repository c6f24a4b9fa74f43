"""`status`: how the mailbox stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery_client.cli.folder_names import paths
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.replicas import standing, standing_text
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, size, table

if TYPE_CHECKING:
    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.mailbox_pb2 import Mailbox
    from rookery_client import Client


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Show the server, the mailbox with its revision, what each folder holds, and how the replica stands."""

    async def work(client: Client) -> tuple[str, Mailbox, list[Folder]]:
        return client.server, await client.mailboxes.get(), await client.folders.list()

    server, mailbox, folders = session.run(work)
    by_path = paths(folders)
    replica = standing(session)
    if as_json:
        shown = [{**view(folder), "path": by_path[folder.id]} for folder in folders]
        emit({"profile": session.name, "server": server, "mailbox": view(mailbox), "replica": replica, "folders": shown})
        return
    quota = f" of {size(mailbox.quota_bytes)}" if mailbox.quota_bytes else ""
    click.echo(f"Server    {clean(server)}")
    click.echo(f"Mailbox   {clean(mailbox.address)}, revision {mailbox.revision}")
    click.echo(f"Holds     {mailbox.item_count:,} items, {size(mailbox.used_bytes)}{quota}")
    if replica is not None:
        click.echo(f"Replica   {clean(standing_text(replica))}")
    rows = [
        (by_path[folder.id], str(folder.unread_count or ""), f"{folder.item_count:,}") for folder in folders if folder.item_count
    ]
    if rows:
        click.echo()
        table(["Folder", "Unread", "Items"], rows, right=["Unread", "Items"], cut=["Folder"])


COMMANDS = (status,)

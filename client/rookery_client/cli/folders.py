"""Folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ItemKind
from rookery_client.cli.folder_names import FOLDER, find, paths, resolve, role_word, split_path
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.kinds import KIND, kind_word
from rookery_client.cli.progress import spinner
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, size, table
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from rookery.v1.folder_pb2 import DeleteFolderResponse, EmptyFolderResponse, Folder
    from rookery_client import Client


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def folders(session: Session, as_json: bool) -> None:
    """List all folders."""
    found = session.run(lambda client: client.folders.list())
    by_path = paths(found)
    if as_json:
        emit({"folders": [{**view(folder), "path": by_path[folder.id]} for folder in found]})
        return
    table(
        ["Folder", "Role", "Kind", "Unread", "Items", "Size", "ID"],
        [
            (
                by_path[folder.id],
                role_word(folder),
                kind_word(folder.default_kind),
                str(folder.unread_count or ""),
                str(folder.item_count),
                size(folder.size_bytes),
                text_of(folder.id),
            )
            for folder in found
        ],
        right=["Unread", "Items", "Size"],
        cut=["Folder"],
        drop=["Size", "Kind", "Role"],
    )


@click.command()
@click.argument("path")
@click.option("--kind", type=KIND, help="What new items in it are by default; messages where left out.")
@click.option("--parents", "-p", is_flag=True, help="Make missing folders above it too; no error if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def mkdir(session: Session, path: str, kind: ItemKind.ValueType | None, parents: bool, as_json: bool) -> None:
    """Make a folder: a name, or a path below a folder that is there."""

    async def work(client: Client) -> Folder:
        wanted = ItemKind.ITEM_KIND_UNSPECIFIED if kind is None else kind
        if parents:
            return await _make_all(client, path, wanted)
        parent_id, name = split_path(await client.folders.list(), path)
        return await client.folders.create(name, parent_id=parent_id, default_kind=wanted)

    folder = session.run(work)
    if as_json:
        emit({"folder": view(folder)})
    else:
        click.echo(text_of(folder.id))


async def _make_all(client: Client, path: str, kind: ItemKind.ValueType) -> Folder:
    known, made, so_far = await client.folders.list(), None, ""
    for name in (part for part in path.split("/") if part):
        so_far = f"{so_far}/{name}" if so_far else name
        try:
            made = resolve(known, so_far)
        except NotFound:
            made = await client.folders.create(name, parent_id=made.id if made is not None else b"", default_kind=kind)
            known.append(made)
    if made is None:
        raise InvalidArgument("FIELD_INVALID", f"“{path}” names no folder")
    return made


@click.command()
@click.argument("folder", type=FOLDER)
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def mvdir(session: Session, folder: str, path: str, as_json: bool) -> None:
    """Rename or move a folder: PATH is its new path. "Archive/" moves it below Archive and keeps the name."""

    async def work(client: Client) -> Folder:
        known = await client.folders.list()
        moved = resolve(known, folder)
        target = path + moved.name if path.endswith("/") else path
        parent_id, name = split_path(known, target)
        return await client.folders.update(
            moved.id,
            name=name if name != moved.name else None,
            parent_id=parent_id if parent_id != moved.parent_id else None,
        )

    changed = session.run(work)
    if as_json:
        emit({"folder": view(changed)})
    else:
        click.echo(f"{clean(folder)} is now {clean(path)}.", err=True)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def rmdir(session: Session, folder: str, as_json: bool) -> None:
    """Delete a folder with everything below it; its items can be restored."""

    async def work(client: Client) -> DeleteFolderResponse:
        found = await find(client, folder)
        with spinner("Deleting"):
            return await client.folders.delete(found.id)

    _tell_deleted(session.run(work), as_json=as_json)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--subfolders", is_flag=True, help="Delete the folders below it too.")
@click.option("--permanent", is_flag=True, help="Delete for good, instead of recoverably.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting for good.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def empty(session: Session, folder: str, subfolders: bool, permanent: bool, yes: bool, as_json: bool) -> None:
    """Delete all items in a folder."""
    if permanent and not yes:
        click.confirm(f"Delete everything in {folder} for good?", abort=True, err=True)

    async def work(client: Client) -> EmptyFolderResponse:
        found = await find(client, folder)
        with spinner("Emptying"):
            return await client.folders.empty(found.id, include_subfolders=subfolders, permanent=permanent)

    _tell_deleted(session.run(work), as_json=as_json)


def _tell_deleted(response: DeleteFolderResponse | EmptyFolderResponse, *, as_json: bool) -> None:
    if as_json:
        emit(view(response))
    else:
        plural = "" if response.deleted_items == 1 else "s"
        click.echo(f"{response.deleted_items:,} item{plural} deleted.", err=True)


COMMANDS = (folders, mkdir, mvdir, rmdir, empty)

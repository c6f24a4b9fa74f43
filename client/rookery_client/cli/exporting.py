"""`export`: a folder's items as files."""

from __future__ import annotations

import asyncio
import pathlib
import sys
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.item_service_pb2 import SortDirection
from rookery_client.cli import filters
from rookery_client.cli.files import safe_name, written
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.json_view import emit, identifier
from rookery_client.cli.progress import bar
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean
from rookery_core.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound, RookeryError, Stale
from rookery_core.formats import calendar_files, mbox
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from rookery.v1.folder_pb2 import Folder
    from rookery_client import Client

AT_ONCE = 16
"""Documents that are downloaded side by side."""
LARGEST_AHEAD = 32 * 1024 * 1024
"""Bytes of documents that are downloaded side by side; a larger one is downloaded by itself."""

_OF_ONE_ITEM = (NotFound, InvalidArgument, FailedPrecondition, Stale, DataLoss)
"""What keeps one document from coming, and no other: it was deleted or changed meanwhile, can not be composed, is damaged."""

_KINDS = {
    "mbox": [ItemKind.ITEM_KIND_MESSAGE],
    "eml": [ItemKind.ITEM_KIND_MESSAGE],
    "ics": [ItemKind.ITEM_KIND_APPOINTMENT, ItemKind.ITEM_KIND_TASK, ItemKind.ITEM_KIND_JOURNAL],
    "vcf": [ItemKind.ITEM_KIND_CONTACT, ItemKind.ITEM_KIND_DISTRIBUTION_LIST],
}


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--format", "form", type=click.Choice(list(_KINDS)), required=True, help="mbox, ics and vcf make one file.")
@click.option("--output", type=click.Path(path_type=pathlib.Path), help="The file, or a folder for one file an item; else stdout.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --output.")
@pass_session
def export(session: Session, folder: str, form: str, output: pathlib.Path | None, as_json: bool) -> None:
    """Export the items of a folder, oldest first; messages come out exactly as they came in.

    mbox and eml hold messages, ics appointments, tasks and journal entries, vcf contacts and distribution lists. An item that
    can not be had, because it was deleted meanwhile, is reported and skipped, and the exit status is 1.
    """
    if as_json and output is None:
        raise click.UsageError("--json needs --output: the items go to stdout without it.")
    apart = form == "eml" or (form != "mbox" and output is not None and output.is_dir())
    if apart and (output is None or not output.is_dir()):
        raise click.UsageError(f"--format {form} needs --output with a folder that is there.")

    failures: list[dict[str, Any]] = []

    async def work(client: Client) -> int:
        found = await find(client, folder)
        with bar("Exporting", found.size_bytes) as advance:
            documents = _arrived(_documents(client, found, form, advance), failures)
            if apart and output is not None:
                return await _apart(documents, output, form)
            with written(output) as file:
                return await _joined(documents, file, form)

    count = session.run(work)
    if as_json:
        emit({"exported": count, "failed": len(failures), "path": str(output), "failures": failures})
    else:
        failed = f", {len(failures):,} failed" if failures else ""
        click.echo(f"{count:,} exported{failed}", err=True)
    if failures:
        raise click.exceptions.Exit(1)


async def _arrived(
    documents: AsyncGenerator[tuple[Item, bytes | RookeryError]], failures: list[dict[str, Any]]
) -> AsyncIterator[tuple[Item, bytes]]:
    """The documents that came; the others go to `failures`, and to stderr."""
    async with aclosing(documents):
        async for item, document in documents:
            if isinstance(document, bytes):
                yield item, document
                continue
            failures.append({"item_id": identifier(item.id), "reason": document.reason, "message": document.message})
            # Not click.echo, which goes round what the progress bar puts in place of stderr to keep lines apart.
            print(f"rookery: {text_of(item.id)}, “{clean(item.summary.subject)}”: {clean(document.message)}", file=sys.stderr)


async def _documents(
    client: Client, folder: Folder, form: str, advance: Callable[[int], None]
) -> AsyncGenerator[tuple[Item, bytes | RookeryError]]:
    """The folder's items of the format's kinds, in the list's order, each with its document or why it can not be had."""
    kinds = [filters.of_kind(kind) for kind in _KINDS[form]]
    listed = client.items.list(folder.id, sort_direction=SortDirection.SORT_DIRECTION_ASCENDING, restriction=filters.any_of(kinds))
    running: deque[tuple[Item, asyncio.Task[bytes | RookeryError]]] = deque()
    ahead = 0
    try:
        async for item in listed:
            while running and (len(running) == AT_ONCE or ahead + item.summary.size_bytes > LARGEST_AHEAD):
                oldest, task = running.popleft()
                yield oldest, await task
                ahead -= oldest.summary.size_bytes
                advance(oldest.summary.size_bytes)
            running.append((item, asyncio.create_task(_document(client, item))))
            ahead += item.summary.size_bytes
        while running:
            oldest, task = running.popleft()
            yield oldest, await task
            advance(oldest.summary.size_bytes)
    finally:
        for _, task in running:
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


async def _document(client: Client, item: Item) -> bytes | RookeryError:
    try:
        return await client.content.download_document(item.id).read()
    except _OF_ONE_ITEM as error:
        return error


async def _apart(documents: AsyncIterator[tuple[Item, bytes]], folder: pathlib.Path, form: str) -> int:
    count = 0
    async for item, data in documents:
        with written(folder / _file_name(item, form)) as file:
            file.write(data)
        count += 1
    return count


def _file_name(item: Item, form: str) -> str:
    """The subject for people, the id so that no two items share a name and a second export replaces the first."""
    return f"{safe_name(item.summary.subject[:60], 'untitled')}-{text_of(item.id)}.{form}"


async def _joined(documents: AsyncIterator[tuple[Item, bytes]], file: BinaryIO, form: str) -> int:
    count = 0
    parts: list[bytes] = []
    async for item, data in documents:
        count += 1
        if form == "mbox":
            author = getattr(item.summary.message, "from")
            mbox.write(file, data, author.address, item.summary.received.seconds)
        elif form == "vcf":
            file.write(data if data.endswith(b"\n") else data + b"\r\n")
        else:
            parts.append(data)
    if form == "ics":
        try:
            file.write(calendar_files.calendar(parts))
        except InvalidArgument as error:
            raise InvalidArgument(error.reason, f"the items can not be joined: {error.message}; export into a folder") from None
    return count


COMMANDS = (export,)

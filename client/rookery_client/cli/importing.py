"""`import`: files into the mailbox."""

from __future__ import annotations

import pathlib
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from rookery.v1.content_service_pb2 import ImportDocument
from rookery.v1.item_pb2 import DocumentFormat
from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.import_sources import Found, documents, total_bytes
from rookery_client.cli.json_view import emit, identifier
from rookery_client.cli.progress import bar
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean
from rookery_core.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_client import Client


@dataclass(frozen=True, slots=True)
class _Source:
    """What is kept of a document until its answer comes: not the document itself, of which many are under way."""

    label: str
    weight: int


@dataclass(slots=True)
class _Tally:
    imported: int = 0
    skipped: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def leave_out(self, why: str) -> None:
        self.skipped += 1
        self.left_out[why] += 1

    def fail(self, label: str, reason: str, message: str) -> None:
        self.failures.append({"source": label, "reason": reason, "message": message})
        # Not click.echo, which goes round what the progress bar puts in place of stderr to keep lines apart.
        print(f"rookery: {clean(label)}: {clean(message)}", file=sys.stderr)


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=pathlib.Path), metavar="FILE...")
@click.option("--folder", type=FOLDER, help="Where to; the folder of each kind (inbox, calendar, contacts ...) if left out.")
@click.option("--skip-existing", is_flag=True, help="Leave out what the folder has already: the same bytes, or the same UID.")
@click.option("--read", is_flag=True, help="Mark messages as read; a Maildir's own marks are kept in any case.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def import_(
    session: Session, files: tuple[pathlib.Path, ...], folder: str | None, skip_existing: bool, read: bool, as_json: bool
) -> None:
    """Import messages (.eml, mbox, Maildir), calendars (.ics) and contacts (.vcf).

    What a file is shows its content; folders are searched, without the links to other folders in them. A bad file is reported
    and skipped, and the exit status is 1. What a Maildir marks as thrown away is left out, and counted as skipped.
    """
    tally = _Tally()

    async def work(client: Client) -> None:
        folder_id = await _folder_id(client, folder) if folder is not None else b""

        def sources() -> Iterator[tuple[_Source, ImportDocument]]:
            for found in documents(files):
                if found.problem is not None:
                    tally.fail(found.label, found.problem.reason, found.problem.message)
                elif found.left_out:
                    tally.leave_out(found.left_out)
                else:
                    yield _Source(found.label, found.weight), _document(found, folder_id, skip_existing=skip_existing, read=read)

        with bar("Importing", total_bytes(files)) as advance:
            async for result in client.content.import_documents(sources()):
                advance(result.key.weight)
                if result.error is not None:
                    tally.fail(result.key.label, result.error.reason, result.error.message)
                    continue
                tally.skipped += result.existed
                tally.imported += not result.existed
                if as_json:
                    shown = {"source": result.key.label, "item_id": identifier(result.item_id), "existed": result.existed}
                    tally.results.append(shown)

    session.run(work)
    _tell(tally, as_json=as_json)
    if tally.failures:
        raise click.exceptions.Exit(1)


def _tell(tally: _Tally, *, as_json: bool) -> None:
    for why, count in tally.left_out.items():
        click.echo(f"rookery: {count:,} left out: {why}", err=True)
    if as_json:
        figures = {"imported": tally.imported, "skipped": tally.skipped, "failed": len(tally.failures)}
        left_out = [{"reason": why, "count": count} for why, count in tally.left_out.items()]
        emit({**figures, "results": tally.results, "failures": tally.failures, "left_out": left_out})
    else:
        click.echo(f"{tally.imported:,} imported, {tally.skipped:,} skipped, {len(tally.failures):,} failed")


async def _folder_id(client: Client, name: str) -> bytes:
    try:
        return resolve(await client.folders.list(), name).id
    except NotFound as error:
        raise NotFound(error.reason, f"{error.message} (`rookery mkdir` makes one)") from None


def _document(found: Found, folder_id: bytes, *, skip_existing: bool, read: bool) -> ImportDocument:
    document = ImportDocument(folder_id=folder_id, format=found.format, data=found.data, skip_existing=skip_existing)
    if found.state is not None:
        document.state.CopyFrom(found.state)
    if found.received is not None:
        document.received.seconds = found.received
    if read or found.format != DocumentFormat.DOCUMENT_FORMAT_MESSAGE:
        # Unread is for mail: nobody has to read their own calendar and address book first.
        document.state.read = True
    return document


COMMANDS = (import_,)

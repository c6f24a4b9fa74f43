"""What an import reads: files and folders, recognised by their content, taken apart into documents."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import DocumentFormat, FlagStatus, ItemState
from rookery_core.errors import InvalidArgument, RookeryError
from rookery_core.formats import calendar_files, maildir, mbox, vcard
from rookery_core.formats.documents import HEAD_BYTES, sniff

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes of a file that has to be read whole, which is anything but an mbox, and of a message."""

TRASHED = "thrown away in the Maildir"
LINKED = "a link to a folder; to import what is there, name it"


@dataclass(frozen=True, slots=True)
class Found:
    """A document of a file, or why there is none. `label` says where it came from, in words."""

    label: str
    format: DocumentFormat.ValueType = DocumentFormat.DOCUMENT_FORMAT_UNSPECIFIED
    data: bytes = b""
    state: ItemState | None = None
    received: int | None = None
    """When it was delivered, in seconds since 1970, where the file says so beside the document."""
    problem: RookeryError | None = None
    """Why it can not be imported."""
    left_out: str = ""
    """Why it shall not be imported."""
    weight: int = 0
    """Bytes of the source that it stands for, for the progress bar."""


def total_bytes(paths: Iterable[pathlib.Path]) -> int:
    """Bytes of all files at and below `paths`."""
    return sum(file.stat().st_size for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def documents(paths: Iterable[pathlib.Path]) -> Iterator[Found]:
    """The documents of files, Maildirs and folders of files. A file that can not be read is one `Found` with its problem.

    Links to folders are followed where they are named, not where they are come upon: they may lead in a circle.
    """
    for path in paths:
        try:
            yield from _of_folder(path) if path.is_dir() else _of_file(path)
        except OSError as error:
            yield Found(str(path), problem=InvalidArgument("DOCUMENT_INVALID", error.strerror or str(error)))
        except RookeryError as error:
            yield Found(str(path), problem=error)


def _of_folder(path: pathlib.Path) -> Iterator[Found]:
    if maildir.is_maildir(path):
        for number, message in enumerate(maildir.read(path, LARGEST_FILE), 1):
            yield _of_maildir(message, f"{'/'.join((path.name, *message.folder))}, message {number}")
        return
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_symlink() and entry.is_dir():
            yield Found(str(entry), left_out=LINKED)
        else:
            yield from documents([entry])


def _of_maildir(message: maildir.MaildirMessage, label: str) -> Found:
    weight = len(message.raw)
    if message.trashed:
        return Found(label, left_out=TRASHED, weight=weight)
    if message.too_large:
        return Found(label, problem=_too_large())
    state = ItemState(read=message.read)
    if message.flagged:
        state.follow_up.status = FlagStatus.FLAG_STATUS_FLAGGED
    return Found(label, DocumentFormat.DOCUMENT_FORMAT_MESSAGE, message.raw, state, message.received, weight=weight)


def _of_file(path: pathlib.Path) -> Iterator[Found]:
    with path.open("rb") as file:
        kind = sniff(path.name, file.read(HEAD_BYTES))
        file.seek(0)
        if kind == "mbox":
            for number, message in enumerate(mbox.read(file, LARGEST_FILE), 1):
                yield _of_mbox(message, f"{path}, message {number}")
            return
        length = os.fstat(file.fileno()).st_size
        if kind == "unknown":
            raise InvalidArgument("DOCUMENT_INVALID", "neither a message, an mbox, a calendar nor a contact file")
        if length > LARGEST_FILE:
            raise _too_large()
        data = file.read()
    if kind == "message":
        yield Found(str(path), DocumentFormat.DOCUMENT_FORMAT_MESSAGE, data, weight=length)
        return
    split = vcard.split(data) if kind == "vcard" else calendar_files.split(data)
    wanted = DocumentFormat.DOCUMENT_FORMAT_VCARD if kind == "vcard" else DocumentFormat.DOCUMENT_FORMAT_ICALENDAR
    several = len(split.documents) > 1
    share = length // max(1, len(split.documents))
    for number, document in enumerate(split.documents, 1):
        yield Found(f"{path}, entry {number}" if several else str(path), wanted, document, weight=share)
    for skipped in split.skipped:
        yield Found(f"{path}, {skipped.what}", problem=InvalidArgument("DOCUMENT_INVALID", skipped.reason))


def _of_mbox(message: mbox.MboxMessage, label: str) -> Found:
    if message.too_large:
        return Found(label, problem=_too_large())
    weight = len(message.raw)
    return Found(label, DocumentFormat.DOCUMENT_FORMAT_MESSAGE, message.raw, received=message.seconds, weight=weight)


def _too_large() -> RookeryError:
    return InvalidArgument("MESSAGE_TOO_LARGE", f"larger than {LARGEST_FILE // 1024 // 1024} MiB")

"""Maildir: a folder of files, one message each, with flags in their names; Maildir++ for folders within."""

from __future__ import annotations

import binascii
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes of the largest message that is read."""

_DELIVERED = re.compile(r"(\d{9,10})[._]")
_INFO = re.compile(r"[:;!]2,([A-Za-z]*)$")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")


@dataclass(frozen=True, slots=True)
class MaildirMessage:
    """One message of a Maildir."""

    raw: bytes
    folder: tuple[str, ...]
    """The names from the top folder down; () for the top folder, which is the inbox."""
    received: int
    """Seconds since 1970: from the file's name, which has the time of delivery, else the file's own time."""
    read: bool = False
    """Flag S (seen)."""
    flagged: bool = False
    """Flag F."""
    trashed: bool = False
    """Flag T: thrown away, to be removed when the folder is next cleaned up."""
    too_large: bool = False
    """Whether the message is larger than was asked for: `raw` is empty then."""


def is_maildir(path: str | os.PathLike[str]) -> bool:
    """Whether the folder has the two subfolders that hold messages."""
    folder = Path(path)
    return (folder / "cur").is_dir() and (folder / "new").is_dir()


def read(path: str | os.PathLike[str], largest: int = LARGEST_MESSAGE) -> Iterator[MaildirMessage]:
    """The messages of a Maildir and of the folders within, folder by folder, in the order of their file names.

    Folders within are named in Maildir++'s way (".Work.2024") or lie as plain directories ("Work/2024"); their names may be in
    IMAP's UTF-7 (RFC 3501 section 5.1.3). A file that another program moves away meanwhile is left out, unless it comes by again
    under its new name. A message of more than `largest` bytes comes without them, marked as ``too_large``. The flags D (draft),
    P (passed) and R (replied) are not told. InvalidArgument ``DOCUMENT_INVALID`` if neither the path nor a folder within it is
    a Maildir.
    """
    top = Path(path)
    folders = sorted(_folders(top, ()))
    if not folders:
        raise InvalidArgument("DOCUMENT_INVALID", f"{top.name} is no Maildir: it has no “cur” and “new”")
    return _messages(folders, largest)


def _messages(folders: list[tuple[tuple[str, ...], Path]], largest: int) -> Iterator[MaildirMessage]:
    for names, folder in folders:
        seen: set[str] = set()
        for place in ("new", "cur"):
            for file in sorted((folder / place).iterdir(), key=lambda each: each.name):
                unique = file.name.partition(":")[0]
                if unique in seen or file.name.startswith(".") or not file.is_file():
                    continue
                try:
                    status = file.stat()
                    too_large = status.st_size > largest
                    raw = b"" if too_large else file.read_bytes()
                except FileNotFoundError:
                    continue
                seen.add(unique)
                yield _message(raw, names, file.name, int(status.st_mtime), too_large=too_large)


def _message(raw: bytes, folder: tuple[str, ...], name: str, modified: int, *, too_large: bool) -> MaildirMessage:
    delivered = _DELIVERED.match(name)
    info = _INFO.search(name)
    flags = info[1] if info else ""
    return MaildirMessage(
        raw,
        folder,
        int(delivered[1]) if delivered else modified,
        read="S" in flags,
        flagged="F" in flags,
        trashed="T" in flags,
        too_large=too_large,
    )


def _folders(directory: Path, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Path]]:
    if is_maildir(directory):
        yield names, directory
    for entry in sorted(directory.iterdir()):
        if entry.name in {"cur", "new", "tmp"} or entry.is_symlink() or not entry.is_dir():
            continue
        name = os.fsencode(entry.name).decode("utf-8", "replace")
        own = name.strip(".").split(".") if name.startswith(".") else [name]
        below = tuple(part for part in map(decode_folder_name, own) if part)
        if below:
            yield from _folders(entry, names + below)


def decode_folder_name(name: str) -> str:
    """The text of a folder name in IMAP's modified UTF-7 (RFC 3501 section 5.1.3); what is none stays as it is."""
    return _SHIFTED.sub(_unshift, name) if "&" in name else name


def _unshift(match: re.Match[str]) -> str:
    if not match[1]:
        return "&"
    digits = match[1].replace(",", "/")
    try:
        return binascii.a2b_base64(digits + "=" * (-len(digits) % 4)).decode("utf-16-be")
    except ValueError:
        return match[0]

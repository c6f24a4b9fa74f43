"""What a message encloses: files of this machine, images that its HTML shows, and attachments of the message that it answers."""

from __future__ import annotations

import mimetypes
import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import Attachment, AttachmentDisposition, AttachmentSource
from rookery_client.cli.addressing import one_line
from rookery_client.cli.progress import bar
from rookery_core.formats import composing

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from rookery_client import Client
    from rookery_core.formats.composing import Kept

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file that a message encloses."""

    path: pathlib.Path
    name: str
    content_id: str = ""
    """By which the HTML shows it; empty for one beside the text."""

    def attachment(self, upload_id: bytes) -> Attachment:
        """The record, for bytes that were uploaded."""
        kind, packed = mimetypes.guess_type(self.name)
        shown = AttachmentDisposition.ATTACHMENT_DISPOSITION_INLINE
        return Attachment(
            name=self.name,
            media_type=kind if kind and not packed else "application/octet-stream",
            content_id=self.content_id,
            disposition=shown if self.content_id else AttachmentDisposition.ATTACHMENT_DISPOSITION_ATTACHMENT,
            upload_id=upload_id,
        )


def files(paths: Sequence[pathlib.Path]) -> list[Enclosed]:
    """Files beside the text. UsageError for what is no file of a known size, and for a name that can not stand in a header."""
    return [Enclosed(path, _name(path, "--attach")) for path in paths]


def images(paths: Sequence[pathlib.Path]) -> list[Enclosed]:
    """Files that the HTML shows, each by its name as ``cid:NAME``, letters that can not stand there replaced by “-”. UsageError."""
    found = [Enclosed(path, name := _name(path, "--inline"), _UNFIT.sub("-", name)) for path in paths]
    if len({each.content_id for each in found}) != len(found):
        raise click.UsageError("--inline: two files have the same name.")
    return found


def _name(path: pathlib.Path, option: str) -> str:
    if not path.is_file():
        raise click.UsageError(f"{option}: {path} is no regular file; save it to one first.")
    return one_line(path.name.encode("utf-8", "replace").decode("utf-8"), option)


async def uploaded(client: Client, enclosed: Sequence[Enclosed]) -> list[Attachment]:
    """Uploads files; gives their records."""
    found = []
    with bar("Attaching", sum(each.path.stat().st_size for each in enclosed), hidden=not enclosed) as advance:
        for each in enclosed:
            sent = 0

            def progress(total: int) -> None:
                nonlocal sent
                advance(total - sent)
                sent = total

            with each.path.open("rb") as file:
                found.append(each.attachment(await client.content.upload(file, progress=progress)))
    return found


async def keep(client: Client, attachments: Sequence[Attachment], kept: Sequence[Kept]) -> None:
    """Gives the attachments of a draft their bytes: by reference, where they are attachments of an item already."""
    for attachment, source in zip(attachments, kept, strict=True):
        if source.part == composing.WHOLE:
            attachment.upload_id = await _document(client, source.item_id)
        else:
            attachment.copy_of.CopyFrom(AttachmentSource(item_id=source.item_id, attachment_id=source.part))


async def _document(client: Client, item_id: bytes) -> bytes:
    """An item as a document, uploaded."""
    with tempfile.TemporaryFile() as file:
        async for piece in client.content.download_document(item_id):
            file.write(piece)
        return await client.content.upload(file)

"""A winmail.dat in a message taken apart: its files as attachments, its texts as the message's. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_core.formats import rtf, tnef
from rookery_core.formats.mime_transfer import decode_part, inner

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

_TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}
_NAMES = {"winmail.dat", "win.dat"}
_TYPE = re.compile(r"[!#$%&'*+.^_`|~a-z0-9-]{1,127}/[!#$%&'*+.^_`|~a-z0-9-]{1,127}")

# By the ending of a name, for files that say nothing else. Not the machine's own table: all servers have to agree.
_BY_ENDING = {
    "bmp": "image/bmp", "csv": "text/csv", "doc": "application/msword", "eml": "message/rfc822", "gif": "image/gif",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "htm": "text/html", "html": "text/html",
    "ics": "text/calendar", "jpeg": "image/jpeg", "jpg": "image/jpeg", "mp3": "audio/mpeg", "mp4": "video/mp4",
    "pdf": "application/pdf", "png": "image/png", "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "rtf": "application/rtf",
    "tif": "image/tiff", "tiff": "image/tiff", "txt": "text/plain", "vcf": "text/vcard", "wav": "audio/wav",
    "xls": "application/vnd.ms-excel", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml", "zip": "application/zip",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnpackedFile:
    """A file in a winmail.dat."""

    name: str
    media_type: str
    content_id: str
    is_shown: bool
    """Whether the HTML shows it."""
    encoding: str
    """What takes it out of the part, for ``decode_part``."""
    size: int


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a winmail.dat holds."""

    plain: str
    html: str
    rich: bytes
    """Compressed Rich Text."""
    files: list[UnpackedFile]
    is_whole: bool
    """Whether nothing is left that only the winmail.dat itself has."""

    def text(self) -> str:
        """The text in its plainest form; Rich Text, which is slow to read, where there is no other."""
        return self.plain or ("" if self.html or not self.rich else rtf.text_of(rtf.decompressed(self.rich)))


def may_be(leaf: Entity, name: str) -> bool:
    """Whether a part calls itself a TNEF stream."""
    return leaf.media_type in _TYPES or name.lower() in _NAMES


def unpack(raw: bytes, leaf: Entity, most: int) -> Unpacked | None:
    """Takes a part apart, with at most ``most`` files; None where it is no TNEF stream."""
    stream = tnef.read(decode_part(raw[leaf.start : leaf.end], leaf.encoding))
    if stream is None:
        return None
    files = [_unpacked(each, leaf, stream.html) for each in stream.files[: max(most, 0)]]
    says = bool(files or stream.text or stream.html or stream.rtf)
    is_whole = says and not stream.is_broken and len(files) == len(stream.files)
    return Unpacked(stream.text, stream.html, stream.rtf, files, is_whole)


def _by_ending(name: str) -> str:
    return _BY_ENDING.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _unpacked(file: tnef.TnefFile, leaf: Entity, html: str) -> UnpackedFile:
    name = file.name
    if file.is_message:
        # Its files stand beside it; itself stays what it is.
        name = f"{name or 'message'}.dat"
        media_type = "application/ms-tnef"
    else:
        media_type = file.media_type if _TYPE.fullmatch(file.media_type) else _by_ending(name)
    is_shown = bool(file.content_id) and f"cid:{file.content_id}" in html
    return UnpackedFile(name, media_type, file.content_id, is_shown, inner(leaf.encoding, file.offset), file.size)

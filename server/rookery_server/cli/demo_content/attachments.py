"""Files that hang on the demonstration's messages: small, valid, made here."""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class File(NamedTuple):
    """A file with its media type."""

    maintype: str
    subtype: str
    data: bytes


def _png(width: int, height: int, colour: Callable[[int, int], tuple[int, int, int]]) -> bytes:
    """A picture (PNG, RFC 2083): eight bits of red, green and blue each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in colour(x, y)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def _pdf(*lines: str) -> bytes:
    """A page of text (PDF 1.4)."""
    shown = " ".join(f"({line}) Tj 0 -18 Td" for line in lines)
    text = f"BT /F1 12 Tf 72 760 Td {shown} ET".encode("latin-1")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return out + end % (len(objects) + 1, table, len(objects) + 1, len(out))


def _csv(*rows: str) -> File:
    return File("text", "csv", "\r\n".join((*rows, "")).encode())


def _marsh(x: int, y: int) -> tuple[int, int, int]:
    """Evening over the water."""
    shore = 60 + 8 * math.sin(x / 17) + 4 * math.sin(x / 5)
    if y < shore:
        return (250 - y, 170 - y, 120 + y // 2)
    return (40 + (x * 7 + y * 13) % 12, 70 + (y - 60), 60)


def _night(x: int, y: int) -> tuple[int, int, int]:
    """What a camera sees at night: two pairs of eyes."""
    noise = (x * 31 + y * 17 + x * y) % 23
    for eye_x, eye_y in ((18, 70), (26, 70), (40, 76), (46, 76)):
        if (x - eye_x) ** 2 + (y - eye_y) ** 2 < 5:
            return (220, 255, 220)
    return (noise, 30 + noise, noise)


def _plan(x: int, y: int) -> tuple[int, int, int]:
    """A floor plan."""
    wall = (20 <= x <= 140 and y in {20, 80}) or (20 <= y <= 80 and x in {20, 140}) or (x == 90 and 20 <= y <= 60)
    return (30, 30, 90) if wall else (255, 255, 255) if (x // 10 + y // 10) % 2 else (246, 246, 250)


FILES = {
    "hide.png": File("image", "png", _png(160, 100, _plan)),
    "boat.png": File("image", "png", _png(160, 100, _marsh)),
    "otter.png": File("image", "png", _png(160, 100, _night)),
    "hide-2.pdf": File("application", "pdf", _pdf("Bird hide, Harrow Marsh", "Sheet 2: roof, cable duct 40 mm")),
    "flood-risk.pdf": File("application", "pdf", _pdf("Flood risk statement HM/2231", "Floor level 1.90 m above the water table")),
    "areas.csv": _csv("room,square metres", "hide,31.5", "ramp,18.0", "store,4.2"),
    "offer.csv": _csv("item,pieces,price in EUR", "LiFePO4 60 Ah heated,5,449.00", "fuse 30 A,10,4.50", "freight,1,50.00"),
    "count-last-year.csv": _csv(
        "species,north bank,south bank", "Anas crecca,214,180", "Gallinago gallinago,31,44", "Rallus aquaticus,3,5"
    ),
    "budget.csv": _csv("line,what,pounds", "12,camera posts,2340", "13,boat,1800", "14,masts,1400", "17,drone,900"),
}
"""By name."""

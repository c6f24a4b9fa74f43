"""What a file is, by its content, with its name as a hint."""

from __future__ import annotations

import re
from typing import Literal

Document = Literal["mbox", "message", "icalendar", "vcard", "unknown"]

HEAD_BYTES = 4096
"""How much of a file's beginning ``sniff`` looks at."""

_BY_ENDING: dict[str, Document] = {
    "mbox": "mbox",
    "mbx": "mbox",
    "eml": "message",
    "msg": "message",
    "mht": "message",
    "mhtml": "message",
    "ics": "icalendar",
    "ical": "icalendar",
    "ifb": "icalendar",
    "icalendar": "icalendar",
    "vcf": "vcard",
    "vcard": "vcard",
}
_BEGIN = re.compile(rb"BEGIN[ \t]*:[ \t]*(VCALENDAR|VCARD|VEVENT|VTODO|VJOURNAL)\b", re.IGNORECASE)
_FROM_LINE = re.compile(rb"From [^\r\n]*\d\d?:\d\d")
_FIELD = re.compile(rb"[!-9;-~]{1,76}[ \t]?:")
_USUAL_FIELD = re.compile(
    rb"^(?:from|to|cc|subject|date|received|return-path|message-id|mime-version|content-type|delivered-to|x-[a-z-]+)[ \t]?:",
    re.MULTILINE | re.IGNORECASE,
)
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def sniff(name: str, head: bytes) -> Document:
    """What the file called ``name`` is whose first bytes are ``head`` (some 4 KiB suffice, fewer if the file is shorter).

    The content decides; the name's ending where the content says nothing (an empty or odd file). "unknown" if neither does.
    """
    start = _plain(head[:HEAD_BYTES])
    found = _BEGIN.match(start)
    if found:
        return "vcard" if found[1].upper() == b"VCARD" else "icalendar"
    by_name = _BY_ENDING.get(name.rpartition(".")[2].lower(), "unknown")
    if start.startswith(b"From "):
        return "mbox" if _FROM_LINE.match(start) and by_name != "message" else "message"
    if b"\0" not in start[:512] and _FIELD.match(start) and _USUAL_FIELD.search(start):
        return "message"
    return by_name if b"\0" not in start else "unknown"


def _plain(head: bytes) -> bytes:
    """Without byte order mark and empty lines; UTF-16 brought down to ASCII."""
    if head.startswith((_MARKS[1], _MARKS[2])):
        head = head[2:].replace(b"\0", b"")
    return head.removeprefix(_MARKS[0]).lstrip()

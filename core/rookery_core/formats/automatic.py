"""Who must never be told of a delivery by a machine (RFC 3834, RFC 5321 section 4.5.5). Never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Header


def may_be_told(sender: str, headers: Iterable[Header]) -> bool:
    """Whether a delivery report may go to the envelope's sender of a message: never to the null one, never for a report.

    A message of a mailing list or of a program is reported to its sender: RFC 3464 section 2 asks for it, and that is how lists
    learn which members are gone. A ``sender`` without "@" is none.
    """
    values = _values(headers)
    return "@" in sender and not _is_report(values) and _first_word(values.get("auto-submitted", "no")) != "auto-replied"


def _values(headers: Iterable[Header]) -> dict[str, str]:
    """The first value of each field, by lower-case name."""
    found: dict[str, str] = {}
    for header in headers:
        found.setdefault(header.name.lower(), header.value)
    return found


def _is_report(values: dict[str, str]) -> bool:
    return values.get("content-type", "").lower().startswith("multipart/report")


def _first_word(value: str) -> str:
    """The keyword of a field, without parameters and comments, in lower case."""
    return value.partition(";")[0].partition("(")[0].strip().lower()

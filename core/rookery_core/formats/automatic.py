"""Automatic mail, and who must never be answered by a machine (RFC 3834, RFC 5321 section 4.5.5). Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Header

_SYSTEMS = re.compile(
    r"(?:mailer-daemon|mail-daemon|postmaster|no-?reply|do-?not-?reply|bounces?|listserv|majordomo|mailman|owner-.*|.*-owner"
    r"|.*-request|.*-bounces?(?:[+=].*)?|.*-errors?)",
    re.IGNORECASE,
)
_LIST_FIELDS = ("list-id", "list-post", "list-unsubscribe", "list-help", "list-subscribe", "list-owner", "list-archive")
_BULK = {"bulk", "list", "junk", "auto_reply"}
_SUPPRESSED = {"all", "oof", "autoreply"}


def may_be_told(sender: str, headers: Iterable[Header]) -> bool:
    """Whether a delivery report may go to the envelope's sender of a message: never to the null one, never for a report.

    A message of a mailing list or of a program is reported to its sender: RFC 3464 section 2 asks for it, and that is how lists
    learn which members are gone. A ``sender`` without "@" is none.
    """
    values = _values(headers)
    return "@" in sender and not _is_report(values) and _first_word(values.get("auto-submitted", "no")) != "auto-replied"


def may_be_answered(sender: str, headers: Iterable[Header]) -> bool:
    """Whether an automatic answer, such as an out-of-office notice, may go to the sender of a message (RFC 3834 section 2).

    Not to the null sender, nor to mail systems and list managers; not to what is automatic itself, came over a list, or asks for no
    answer. Whether it was answered before, and whether it names the answering person as a recipient, is for the caller to know.
    """
    if "@" not in sender or _SYSTEMS.fullmatch(sender.rpartition("@")[0]):
        return False
    values = _values(headers)
    suppressed = {word.strip() for word in values.get("x-auto-response-suppress", "").lower().split(",")}  # MS-OXCMAIL 2.1.3.2.20
    return (
        _first_word(values.get("auto-submitted", "no")) == "no"
        and _first_word(values.get("precedence", "")) not in _BULK
        and suppressed.isdisjoint(_SUPPRESSED)
        and not any(name in values for name in _LIST_FIELDS)
        and not _is_report(values)
    )


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

"""What a message of a mailing list says about the list (RFC 2369, 2919, 8058). Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import Header

_URL = re.compile(r"<([^<>]{1,2000})>")
_BLANKS = re.compile(r"\s+")
_SCHEMES = {"mailto", "https", "http"}


@dataclass(frozen=True, slots=True)
class MailingList:
    """The list that a message came over. Addresses are URLs, in the order of the sender's preference."""

    list_id: str
    """Without name and brackets; "" where there is none."""
    post: tuple[str, ...]
    """Where to write to the list; empty where nobody may (``NO``) or nothing is said."""
    unsubscribe: tuple[str, ...]
    """How to leave it."""
    one_click: bool
    """Whether a POST to the first https address of ``unsubscribe`` leaves the list without a further question (RFC 8058)."""


def mailing_list(headers: Sequence[Header]) -> MailingList | None:
    """The list that the header fields of an item tell of, or None."""
    values = {header.name.lower(): header.value for header in reversed(headers)}
    if not any(name in values for name in ("list-id", "list-post", "list-unsubscribe")):
        return None
    listed = values.get("list-id", "")
    bracketed = _URL.findall(listed)
    leave = _urls(values.get("list-unsubscribe", ""))
    one_click = values.get("list-unsubscribe-post", "").strip().lower() == "list-unsubscribe=one-click"
    return MailingList(
        list_id=(bracketed[-1] if bracketed else listed).strip()[:1000],
        post=_urls(values.get("list-post", "")),
        unsubscribe=leave,
        one_click=one_click and any(url.startswith("https:") for url in leave),
    )


def _urls(value: str) -> tuple[str, ...]:
    """The URLs of a field that one may follow; blanks in them come from folding (RFC 2369 section 2)."""
    return tuple(url for found in _URL.findall(value) if _scheme(url := _BLANKS.sub("", found)) in _SCHEMES)


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""

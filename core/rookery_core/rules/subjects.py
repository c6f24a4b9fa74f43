"""Subjects: without the prefixes of replies, and as keys for sorting."""

from __future__ import annotations

import re
import unicodedata

_PREFIXES = (
    "re", "aw", "sv", "vs", "antw", "antwort", "odp", "ref", "res", "rif", "ynt", "atb", "回复", "答复", "回覆", "рe", "отв",
    "fw", "fwd", "wg", "tr", "rv", "enc", "vl", "i", "doorst", "pd", "转发", "轉寄", "пересл",
)  # fmt: skip
_PREFIX = re.compile(
    r"\s*+(?:"
    + "|".join(sorted(map(re.escape, _PREFIXES), key=len, reverse=True))
    + r")(?:\s?[\[(]\d{1,4}[\])]|\^\d{1,4})?\s?[:：]",
    re.IGNORECASE,
)
_COUNTER = re.compile(r"\s*+\[\d{1,4}\]\s?[:：]?")
_LONGEST = 4000


def normalized(subject: str) -> str:
    """The subject without "Re:", "Fwd:" and their like in any language of ``_PREFIXES``, repeated or counted ("Re[2]:").

    White space is folded. A subject of nothing but prefixes gives "". (PidTagNormalizedSubject, MS-OXCMSG 2.2.1.10.)
    """
    text = subject[:_LONGEST]
    position = 0
    while True:
        match = _PREFIX.match(text, position) or _COUNTER.match(text, position)
        if match is None:
            return " ".join(text[position:].split())
        position = match.end()


def sort_key(subject: str) -> str:
    """What subjects are ordered by: without prefixes of replies, case folded, NFC."""
    return unicodedata.normalize("NFC", normalized(subject).casefold())

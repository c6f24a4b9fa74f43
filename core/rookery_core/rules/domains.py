"""Domain names in their one form: lower case, letters beyond ASCII as A-labels (RFC 1035, RFC 5890, UTS 46).

The only place that decides what is one.
"""

from __future__ import annotations

import re

import idna

LONGEST = 253
"""Characters of a domain name (RFC 1035 section 2.3.4: 255 bytes on the wire)."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123 section 2.1
_LENIENT_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def to_ascii(text: str, *, underscores: bool = False) -> str:
    """The domain in its one form, or "" if the text is none.

    Letters beyond ASCII as UTS 46 has them without its transitional exceptions, so that ß and ς stay letters of their own; and only
    those that IDNA 2008 allows, since no others can be registered. What is ASCII is taken as it is, A-labels included. A last
    label of digits makes no domain: it looks like an IP address. ``underscores``: as the DNS allows them (RFC 2181 section 11) and
    a few mail domains have them, though no host may.
    """
    if len(text) > LONGEST:
        return ""
    labels = (text.lower() if text.isascii() else _a_labels(text)).split(".")
    pattern = _LENIENT_LABEL if underscores else _LABEL
    name = ".".join(labels)
    return name if len(name) <= LONGEST and not labels[-1].isdigit() and all(map(pattern.fullmatch, labels)) else ""


def _a_labels(text: str) -> str:
    """The domain with its A-labels, or "" where a label has none."""
    try:
        mapped = idna.uts46_remap(text, std3_rules=False, transitional=False)
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split("."))
    except UnicodeError:  # idna.IDNAError is one
        return ""

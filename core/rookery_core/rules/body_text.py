"""What a body says, whatever its form: HTML as plain text, and the preview. Never raises."""

from __future__ import annotations

import html
import re

from rookery_core.rules import limits

_PREVIEW_SOURCE = 64 * 1024
_PREVIEW_STEPS = (256, 4096, _PREVIEW_SOURCE)
"""How many characters are taken apart into words: the first of these is nearly always enough."""

# One tag. Groups: 1 comment, 2 an element that is not shown, 3 a block or a break. "<" ends a tag whose ">" was forgotten.
_TAG = re.compile(
    r"<(?:(!--)|(style|script|title|head|template|noscript)\b"
    r"|(/?(?:p|div|br|tr|li|ul|ol|h[1-6]|table|blockquote|pre|hr|section|article)\b)|[a-z/!?])[^<>]*+>?",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\f\v\u00a0\n]++")


def text_of_html(source: str) -> str:
    """What an HTML body says, roughly as a reader sees it: blocks on lines of their own, no styles, scripts, tags or comments.

    Each character is looked at a bounded number of times, whatever is left unclosed.
    """
    return _SPACES.sub(_folded, _plain(source, limits.BODY_BYTES)).strip()


def _folded(match: re.Match[str]) -> str:
    return "\n\n" if match[0].count("\n") > 1 else "\n" if "\n" in match[0] else " "


def _plain(source: str, most: int) -> str:
    """The text of HTML with white space as it falls, until about ``most`` visible characters are found."""
    out: list[str] = []
    position, found = 0, 0
    missing: set[str] = set()
    while found < most:
        tag = source.find("<", position)
        text = source[position:tag] if tag >= 0 else source[position:]
        if text:
            out.append(text.replace("\n", " "))
            found += len(text.strip())
        if tag < 0:
            break
        match = _TAG.match(source, tag)
        if match is None:
            out.append("<")
            position = tag + 1
            continue
        position = match.end()
        if match[3]:
            out.append("\n")
        elif match[1]:
            position = _after(source, "-->", tag + 4, missing) or position
        elif match[2]:
            position = _after_element(source, match[2].lower(), position, missing)
    return html.unescape("".join(out)).replace("\0", "")


def _after(source: str, what: str, start: int, missing: set[str]) -> int:
    """The offset behind ``what``, or 0; ``missing`` remembers what was sought in vain, so that it is not sought again."""
    if what in missing:
        return 0
    found = source.find(what, start)
    if found < 0:
        missing.add(what)
        return 0
    return found + len(what)


def _after_element(source: str, name: str, start: int, missing: set[str]) -> int:
    for close in (f"</{name}>", f"</{name.upper()}>", f"</{name.capitalize()}>"):
        found = _after(source, close, start, missing)
        if found:
            return found
    return start


def preview_of(text: str, source: str) -> str:
    """The first characters of the text, or of the HTML where there is no text; white space folded, at most 200 characters."""
    words = ""
    for most in _PREVIEW_STEPS:
        words = " ".join(text[:most].split())
        if len(words) >= limits.PREVIEW or len(text) <= most:
            break
    if not words and source:
        words = " ".join(_plain(source[:_PREVIEW_SOURCE], 3 * limits.PREVIEW).split())
    return words[: limits.PREVIEW].rstrip()

"""What an answer repeats of the message that it answers: text behind marks, HTML inside a blockquote with nothing active in it."""

from __future__ import annotations

import functools
import html
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 76
_LONGEST_MARKS = 40
_MARKS = re.compile(r"(?:> ?)*")


def quoted_text(text: str) -> str:
    """The text with ``>`` before each line; lines that are too long for mail are broken between words, their marks kept."""
    return "\n".join(_quoted_lines(text.rstrip("\n")))


def _quoted_lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        found = _MARKS.match(line)
        marks = ">" + (found[0].replace(" ", "") if found else "")
        rest = line[found.end() :] if found else line
        if len(line) < _WIDTH or len(marks) > _LONGEST_MARKS:
            yield f"{marks} {rest}".rstrip()
            continue
        for piece in textwrap.wrap(rest, _WIDTH - len(marks) - 1, break_long_words=False, break_on_hyphens=False) or [""]:
            yield f"{marks} {piece}".rstrip()


_TAG = re.compile(
    r"<(?:!--|!\[CDATA\[|(?P<other>[!?])|(?P<close>/)?(?P<name>[a-zA-Z][a-zA-Z0-9:_-]{0,40})"
    r"(?P<attributes>(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+)>)"
)
_ATTRIBUTE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:.-]{0,60})(?:\s{0,20}=\s{0,20}(\"[^\"]*+\"|'[^']*+'|[^\s\"'>]++))?")
_MOST_UNENDED = 100
"""Tags whose end is not found, each at the cost of a look at all that follows; from then on all is text."""
_BLANKS = re.compile(r"[\x00-\x20\u00a0\u200b-\u200f\u2028-\u202f\ufeff]+")

# With content that is not HTML, and with it, they go: what acts, what embeds, and what browsers read by rules of their own.
_REMOVED = frozenset(
    {
        "script", "iframe", "object", "applet", "audio", "video", "canvas", "svg", "math", "template", "noscript", "noembed",
        "noframes", "frameset", "title", "textarea", "select", "xmp", "plaintext", "portal", "fencedframe",
    }
)  # fmt: skip
_KEPT = frozenset(
    {
        "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption", "center", "cite",
        "code", "col", "colgroup", "dd", "del", "details", "dfn", "dir", "div", "dl", "dt", "em", "figcaption", "figure", "font",
        "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "ins", "kbd", "li", "main", "map", "area",
        "mark", "nav", "nobr", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike",
        "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "tt", "u", "ul", "var",
        "wbr",
    }
)  # fmt: skip
_VOID = frozenset({"area", "br", "col", "hr", "img", "wbr"})
_ADDRESSES = frozenset({"href", "src", "background", "cite", "longdesc", "usemap", "srcset"})
_DROPPED_ATTRIBUTES = frozenset({"srcdoc", "ping", "id", "name", "target", "action", "formaction", "contenteditable", "autofocus"})
_SCHEMES = re.compile(r"(?:https?|mailto|cid|tel|ftp|news|mid):|#|//|[^:/?#]*(?:[/?#]|$)", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);", re.IGNORECASE)
_ACTIVE_STYLE = re.compile(r"expression\s*\(|javascript\s*:|-moz-binding|behaviou?r\s*:|position\s*:|\\", re.IGNORECASE)


def quoted_html(source: str) -> str:
    """HTML as part of another document: its body without scripts, forms, frames and handlers, every element closed.

    Images and links stay as they are; none is added. Everything is written anew, tag by tag, so that what a browser reads is what
    was allowed here. Looks at each character a bounded number of times.
    """
    return "".join(_Cleaner(source).pieces())


class _Cleaner:
    """One document on its way through."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._position = 0
        self._open: list[str] = []
        self._depth: dict[str, int] = {}
        self._missing: set[str] = set()
        self._unended = 0

    def pieces(self) -> Iterator[str]:
        source = self._source
        while self._position < len(source):
            start = source.find("<", self._position)
            end = len(source) if start < 0 else start
            if end > self._position:
                yield source[self._position : end].replace("\0", "").replace(">", "&gt;")
            if start < 0:
                break
            self._position = start
            yield self._tag()
        while self._open:
            name = self._open.pop()
            if self._depth[name]:
                self._depth[name] -= 1
                yield f"</{name}>"

    def _tag(self) -> str:
        """What stands at a "<" in its allowed form; goes on behind it."""
        match = _TAG.match(self._source, self._position) if self._unended < _MOST_UNENDED else None
        if match is None:
            self._unended += self._source[self._position + 1 : self._position + 2].isalpha()
            self._position += 1
            return "&lt;"
        self._position = match.end()
        name = (match["name"] or "").lower()
        if not name:
            self._skip("-->" if match[0] == "<!--" else "]]>" if match[0].startswith("<![") else ">")
            return ""
        if name == "style":
            return "" if match["close"] else self._style()
        if name in _REMOVED:
            if not match["close"] and not match["attributes"].endswith("/"):
                self._skip(f"</{name}", tail=True)
            return ""
        if name not in _KEPT:
            return ""
        return self._closed(name) if match["close"] else self._opened(name, match["attributes"])

    def _skip(self, what: str, *, tail: bool = False) -> int:
        """Goes on behind the next ``what``, with ``tail`` behind the tag that it begins; gives its place, -1 for none."""
        if what in self._missing:
            return -1
        lowered = self._lowered
        found = lowered.find(what, self._position)
        if found < 0:
            self._missing.add(what)
            return -1
        end = lowered.find(">", found) if tail else found + len(what) - 1
        self._position = len(lowered) if end < 0 else end + 1
        return found

    @functools.cached_property
    def _lowered(self) -> str:
        """The source with ASCII letters in lower case, so that places stay."""
        return self._source.translate(_LOWER)

    def _style(self) -> str:
        """A style sheet stays for the looks of what is quoted, if nothing in it could end it or act."""
        begin = self._position
        end = self._skip("</style", tail=True)
        sheet = self._source[begin:end] if end >= 0 else ""
        if not sheet or _ACTIVE_STYLE.search(sheet) or "<" in sheet.replace("<!--", ""):
            return ""
        return f"<style>{sheet.replace('<!--', '').replace('-->', '')}</style>"

    def _opened(self, name: str, attributes: str) -> str:
        if name not in _VOID:
            self._open.append(name)
            self._depth[name] = self._depth.get(name, 0) + 1
        return f"<{name}{''.join(_attributes(attributes))}>"

    def _closed(self, name: str) -> str:
        """A closing tag only for what is open inside the quotation: it must not end what stands around it."""
        if not self._depth.get(name):
            return ""
        self._depth[name] -= 1
        return f"</{name}>"


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def _attributes(text: str) -> Iterator[str]:
    for match in _ATTRIBUTE.finditer(text):
        name = match[1].lower()
        value = match[2] or ""
        if value[:1] in {'"', "'"}:
            value = value[1:-1]
        value = html.unescape(value).replace("\0", "")
        if name.startswith("on") or ":" in name or name in _DROPPED_ATTRIBUTES:
            continue
        if name in _ADDRESSES and not _is_harmless(_BLANKS.sub("", value)):
            continue
        if name == "style" and _ACTIVE_STYLE.search(value):
            continue
        yield f' {name}="{html.escape(value)}"' if match[2] is not None else f" {name}"


def _is_harmless(address: str) -> bool:
    return _SCHEMES.match(address) is not None or _IMAGE.match(address) is not None

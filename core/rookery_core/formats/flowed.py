"""Text in format=flowed (RFC 3676): lines that a sender has broken are joined again to paragraphs. Never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNATURE = "-- "


def is_flowed(parameters: Mapping[str, str]) -> bool:
    """Whether the parameters of a text/plain part say that its lines flow."""
    return parameters.get("format", "").lower() == "flowed"


def unflowed(text: str, *, delete_space: bool) -> str:
    """The text with each paragraph on one line, its quoting marks in front.

    ``delete_space``: the blank at the end of a line that flows on is no part of the text (DelSp=yes). Line ends are LF.
    """
    if " \n" not in text and "\n " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    out: list[str] = []
    depth, flows = 0, False
    for line in text.removesuffix("\n").split("\n"):
        quoting, content = 0, line
        if line[:1] == ">":
            content = line.lstrip(">")
            quoting = len(line) - len(content)
        if content[:1] == " ":  # RFC 3676 section 4.4: stuffed by the sender
            content = content[1:]
        is_signature = content == _SIGNATURE
        if flows and quoting == depth and not is_signature:
            out.append(content)
        else:
            if flows:
                out[-1] = out[-1].rstrip(" ")  # it was to flow on into a line that is another's
            out += ("\n", line[: len(line) - len(content)], content) if quoting else ("\n", content)
        depth = quoting
        flows = content[-1:] == " " and not is_signature
        if flows and delete_space:
            out[-1] = content[:-1]
    if flows:
        out[-1] = out[-1].rstrip(" ")
    if text.endswith("\n"):
        out.append("\n")
    return "".join(out[1:])

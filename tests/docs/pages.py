"""The pages of the documentation as tests read them: fenced blocks, console sessions, links."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        ROOT / "server" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(path for path in (ROOT / "examples").rglob("*.md") if "node_modules" not in path.parts),
    ]
)
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(\w+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command of a console session, and what the page shows of its output."""

    text: str
    """As it is typed, further lines included."""
    shown: list[str]
    """The lines below it; [] where the page shows none."""


def blocks(page: pathlib.Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [match[2] for match in _FENCE.finditer(page.read_text("utf-8")) if match[1] == language]


def commands(page: pathlib.Path) -> list[Command]:
    """What the console sessions of a page type: lines that begin with "$ ", those that go on with "> ", and the output."""
    found: list[Command] = []
    for block in blocks(page, "console"):
        for line in block.rstrip("\n").split("\n"):
            if line.startswith("$ "):
                found.append(Command(line[2:], []))
            elif line.startswith("> ") and found and not found[-1].shown:
                found[-1] = Command(f"{found[-1].text}\n{line[2:]}", [])
            else:
                found[-1].shown.append(line.rstrip())
    return found


def fits(shown: list[str], output: str) -> bool:
    """Whether the output is what the page shows: "…" in a line stands for anything, a line of nothing else for any lines."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*"
        else:
            words = [re.escape(word).replace("…", "[^\n]*?") for word in line.split()]
            pattern += r"[^\S\n]*" + r"[^\S\n]+".join(words) + r"[^\S\n]*\n"
    return re.fullmatch(pattern, output if output.endswith("\n") or not output else output + "\n") is not None

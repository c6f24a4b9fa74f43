"""What every page of the documentation keeps to: links that lead somewhere, paths that are there, a reference that is complete."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import REASONS
from rookery_core.rules import search_query
from rookery_server.config import SETTINGS
from tests.docs.pages import PAGES, ROOT, blocks, fits
from tools import contract_comments, reference

if TYPE_CHECKING:
    import pathlib

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The places that a link may name, made of the headings as the usual renderers do."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(plain)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: pathlib.Path) -> None:
    dead = []
    for target in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text("utf-8"))):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_the_repository_that_is_named_is_there(page: pathlib.Path) -> None:
    named = re.findall(r"`((?:client|core|docs|examples|migrations|proto|server|tests|tools)/[\w./-]+)`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_module_named_without_its_folder_is_somewhere_in_the_tree() -> None:
    text = (ROOT / "server" / "README.md").read_text("utf-8")
    modules = {path.name for part in ("core", "server", "client", "migrations") for path in (ROOT / part).rglob("*.py")}
    assert {name for name in re.findall(r"`(?:\w+/)?(\w+\.py)`", text) if name not in modules} == set()


def test_the_committed_reference_is_what_the_commands_the_settings_and_the_contract_say() -> None:
    assert reference.stale() == [], "run `make docs`"


def test_every_command_argument_and_option_is_described() -> None:
    entries = list(reference.described_commands())
    assert len(entries) > 100
    assert [entry.name for entry in entries if not entry.text] == []


def test_every_setting_is_described() -> None:
    assert [setting.name for setting in SETTINGS if not setting.help] == []


def test_every_call_message_and_field_of_the_contract_is_described() -> None:
    entries = list(contract_comments.described())
    assert len(entries) > 500
    assert [name for name, comment in entries if not comment] == []


def test_every_reason_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "contract.md").read_text("utf-8")
    assert [reason for reason in REASONS if f"| `{reason}` |" not in page] == []


def test_the_queries_shown_are_understood() -> None:
    queries = [line for block in blocks(ROOT / "docs" / "search.md", "query") for line in block.splitlines()]
    assert len(queries) >= 5
    for query in queries:
        parsed = search_query.parse(query)
        assert parsed.words or parsed.conditions or parsed.folders, query


def test_the_page_on_searching_explains_every_operator() -> None:
    page = (ROOT / "docs" / "search.md").read_text("utf-8")
    operators = ("from", "to", "subject", "has", "is", "kind", "category", "before", "after", "in")
    for operator in operators:
        search_query.parse(f"{operator}:{'2026-01-01' if operator in {'before', 'after'} else EXAMPLES.get(operator, 'x')}")
        assert f"`{operator}:" in page


EXAMPLES = {"has": "attachment", "is": "unread", "kind": "task"}


@pytest.mark.parametrize(
    ("shown", "output", "is_same"),
    [
        (["a … c"], "a b c\n", True),
        (["a … c"], "a b d\n", False),
        (["a", "…"], "a\nb\nc\n", True),
        (["a", "…"], "a\n", True),
        (["a"], "a\nb\n", False),
        (["a  b"], "a b   \n", True),
        (["a.c"], "abc\n", False),
        ([""], "\n", True),
    ],
)
def test_what_a_page_leaves_out_may_be_anything_and_nothing_else_may(shown: list[str], output: str, is_same: bool) -> None:
    assert fits(shown, output) is is_same

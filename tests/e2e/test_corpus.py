"""A real mailbox of 1,650 messages, through the real commands: in, listed, found, and out again with every byte."""

from __future__ import annotations

import email
import email.policy
import json
import os
import pathlib
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from rookery_core.formats import mbox
from tests.support import corpus
from tests.support.server import PASSWORD, ServerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MESSAGES = 1650
ROOKERY = pathlib.Path(sys.executable).with_name("rookery")
WORDS = ("horoscope", "encyclopedia", "bluetooth")

Rookery = Any
"""Runs the command with arguments (and ``stdin``) to its end, and gives the ``CompletedProcess``."""


@pytest.fixture
async def rookery(tmp_path: pathlib.Path, database_url: str) -> AsyncIterator[Rookery]:
    """The command, signed in to a server process of its own; gives what it printed, and fails the test if it fails."""
    process = ServerProcess(tmp_path / "data", "--database-url", database_url)
    process.start()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROOKERY_")}
    environment["ROOKERY_CONFIG_DIR"] = str(tmp_path / "config")

    def run(*arguments: str | pathlib.Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(part) for part in (ROOKERY, *arguments)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=240, check=False, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done

    try:
        async with process.connected() as running:
            account = await running.add_account("anna")
        run("login", account.address, "--server", process.address, "--password-stdin", stdin=f"{PASSWORD}\n")
        yield run
        assert process.stop() == 0
    finally:
        process.kill()


def messages_of(path: pathlib.Path) -> Counter[bytes]:
    with path.open("rb") as file:
        return Counter(message.raw for message in mbox.read(file))


def lines_of(path: pathlib.Path) -> Counter[bytes]:
    """The lines of an mbox in whatever order, but for those that separate its messages: known without any reader of ours."""
    return Counter(line for line in path.read_bytes().split(b"\n") if not line.startswith(b"From "))


def texts_of(path: pathlib.Path) -> Iterator[str]:
    """Subject and text of each message, as the standard library understands them."""
    for raw in messages_of(path).elements():
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
        decoded = email.header.make_header(email.header.decode_header(message.get("subject", "")))
        parts = [part.get_payload(decode=True) for part in message.walk() if part.get_content_maintype() == "text"]
        yield " ".join([str(decoded), *(part.decode("latin-1") for part in parts if isinstance(part, bytes))])


@pytest.mark.timeout(600)
def test_every_message_comes_in_is_listed_and_found_and_goes_out_byte_for_byte(rookery: Rookery, tmp_path: pathlib.Path) -> None:
    original = corpus.mbox()
    assert rookery("import", original).stdout.splitlines()[-1] == f"{MESSAGES:,} imported, 0 skipped, 0 failed"

    folders = json.loads(rookery("folders", "--json").stdout)["folders"]
    assert {folder["role"]: folder["item_count"] for folder in folders if folder["item_count"]} == {"inbox": MESSAGES}
    listed = json.loads(rookery("ls", "inbox", "--limit", "0", "--json").stdout)["items"]
    assert len({item["id"] for item in listed}) == len(listed) == MESSAGES
    sizes = [len(raw) for raw in messages_of(original).elements()]
    assert sorted(item["summary"]["size_bytes"] for item in listed) == sorted(sizes)

    texts = list(texts_of(original))
    for word in WORDS:
        while (found := json.loads(rookery("search", word, "--limit", "0", "--json").stdout))["incomplete"]:
            pass  # the index is still being made: the answer says so, and the test's own time limit holds
        expected = sum(re.search(rf"\b{word}\b", text, re.IGNORECASE) is not None for text in texts)
        assert 0 < expected < MESSAGES / 4
        assert len(found["items"]) == expected, word
    encoded = json.loads(rookery("search", "subject:matrox", "--json").stdout)["items"]
    assert [item["summary"]["subject"] for item in encoded] == ["Matrox Parhelia™ now available"]

    exported = tmp_path / "exported.mbox"
    rookery("export", "inbox", "--format", "mbox", "--output", exported)
    assert messages_of(exported) == messages_of(original)
    assert lines_of(exported) == lines_of(original)

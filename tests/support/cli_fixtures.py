"""A signed-in command `rookery` for tests, and a mailbox with two messages."""

from __future__ import annotations

import io
import sys

import pytest

from rookery.v1.item_pb2 import Attachment, Importance, Item, ItemKind
from rookery_client.cli.main import main
from tests.support.cli_fakes import EVIL_NAME, INBOX, ONE, TWO, Box, served


@pytest.fixture
def box():
    """A mailbox with two messages, one of them hostile to terminals."""
    box = Box()
    for item_id, subject in ((ONE, "Hello \x1b[31mred\x1b[0m \u202eworld"), (TWO, "Second")):
        item = Item(id=item_id, folder_id=INBOX, content_revision=5)
        item.summary.kind = ItemKind.ITEM_KIND_MESSAGE
        item.summary.subject = subject
        item.summary.importance = Importance.IMPORTANCE_HIGH
        item.summary.received.seconds = 1_700_000_000
        author = getattr(item.summary.message, "from")
        author.name, author.address = "Bert", "bert@example.org"
        item.content.body.html = "<p>Hi <b>Anna</b></p><script>x</script>"
        item.content.attachments.append(Attachment(id=1, name=EVIL_NAME, media_type="text/plain", size_bytes=4))
        box.items[item_id] = item
    box.documents = {ONE: b"From: a\r\n\r\nFrom here\r\n", TWO: b"Subject: two\n\nlast line without end"}
    box.attachments = {(ONE, 1): b"data"}
    return box


@pytest.fixture
def server(box):
    """The address of a server with the box."""
    with served(box) as address:
        yield address


@pytest.fixture
def run(server, tmp_path, monkeypatch, capfdbinary):
    """Runs the signed-in command; gives exit status, stdout and stderr."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("ROOKERY_PROFILE", raising=False)

    def run(*argv, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main([str(each) for each in argv])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode()

    status, _, error = run("login", "anna@example.org", "--server", server, "--password-stdin", stdin="correct horse\n")
    assert status == 0, error
    return run

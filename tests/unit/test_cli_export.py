"""`export` where not everything goes well: items that vanish meanwhile, items that are large."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from google.rpc import code_pb2

from rookery.v1.item_pb2 import Item, ItemKind
from rookery_client.cli import exporting
from rookery_core.formats import mbox
from tests.support.cli_fakes import INBOX, ONE, ONE_TEXT, TWO, shown
from tests.support.client_fakes import refuse

pytest_plugins = ["tests.support.cli_fixtures"]

GONE = f"rookery: {ONE_TEXT}, “Hello red world”: the mailbox has no such item\n1 exported, 1 failed\n"


@pytest.fixture
def box(box):
    """The mailbox, whose items may be purged between the listing and the download; it counts the downloads under way."""
    answer = box.document
    box.refusal = (code_pb2.NOT_FOUND, "ITEM_NOT_FOUND", "the mailbox has no such item")
    box.under_way = box.most_under_way = 0

    async def document(request, context):
        if request.item_id not in box.documents:
            await refuse(context, *box.refusal)
        box.under_way += box.items[request.item_id].summary.size_bytes
        box.most_under_way = max(box.most_under_way, box.under_way)
        await asyncio.sleep(0.02)
        async for response in answer(request, context):
            yield response
        box.under_way -= box.items[request.item_id].summary.size_bytes

    box.document = document
    return box


def test_an_item_that_is_purged_meanwhile_is_reported_and_the_others_are_exported(run, box):
    del box.documents[ONE]
    status, out, error = run("export", "inbox", "--format", "mbox")
    assert (status, error) == (1, GONE)
    assert [message.raw for message in mbox.read(io.BytesIO(out))] == [box.documents[TWO]]


def test_what_came_is_written_to_the_file_although_an_item_is_gone(run, box, tmp_path):
    del box.documents[ONE]
    assert run("export", "inbox", "--format", "mbox", "--output", tmp_path / "in.mbox")[0] == 1
    assert [message.raw for message in mbox.read(io.BytesIO((tmp_path / "in.mbox").read_bytes()))] == [box.documents[TWO]]
    target = tmp_path / "out"
    target.mkdir()
    assert run("export", "inbox", "--format", "eml", "--output", target)[0] == 1
    assert [path.read_bytes() for path in target.iterdir()] == [box.documents[TWO]]


@pytest.mark.parametrize(
    ("code", "reason"), [(code_pb2.DATA_LOSS, "CONTENT_DAMAGED"), (code_pb2.INVALID_ARGUMENT, "DOCUMENT_INVALID")]
)
def test_an_item_that_can_not_be_had_keeps_no_other_back(run, box, tmp_path, code, reason):
    del box.documents[ONE]
    box.refusal = (code, reason, "it can not be had")
    status, out, _ = run("export", "inbox", "--format", "mbox", "--output", tmp_path / "in.mbox", "--json")
    assert status == 1
    assert json.loads(out) == {
        "exported": 1,
        "failed": 1,
        "path": str(tmp_path / "in.mbox"),
        "failures": [{"item_id": ONE_TEXT, "reason": reason, "message": "it can not be had"}],
    }


def test_an_export_tells_as_json_what_it_wrote(run, box, tmp_path):
    document = shown(run("export", "inbox", "--format", "mbox", "--output", tmp_path / "in.mbox", "--json"))
    assert document == {"exported": 2, "failed": 0, "path": str(tmp_path / "in.mbox"), "failures": []}


def test_json_and_items_do_not_share_stdout(run):
    status, out, error = run("export", "inbox", "--format", "mbox", "--json")
    assert (status, out) == (2, b"")
    assert "--output" in error and error.count("\n") == 1


def add(box, count, size):
    for number in range(count):
        item = Item(id=bytes([number + 3]) * 16, folder_id=INBOX)
        item.summary.kind = ItemKind.ITEM_KIND_MESSAGE
        item.summary.size_bytes = size
        box.items[item.id] = item
        box.documents[item.id] = b"Subject: %d\n\n" % number


def test_large_documents_are_not_downloaded_all_at_once(run, box, monkeypatch):
    monkeypatch.setattr(exporting, "LARGEST_AHEAD", 1000)
    add(box, 12, 400)
    add(box, 13, 1500)
    status, out, _ = run("export", "inbox", "--format", "mbox")
    assert status == 0
    assert [message.raw for message in mbox.read(io.BytesIO(out))] == list(box.documents.values())
    assert box.most_under_way == 1500


def test_small_documents_are_downloaded_side_by_side(run, box):
    add(box, 40, 400)
    assert run("export", "inbox", "--format", "mbox")[0] == 0
    assert 400 < box.most_under_way <= 400 * exporting.AT_ONCE

"""What the command `rookery` prints is the same with a server and without one."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.content_service_pb2 import ImportDocument
from rookery.v1.item_pb2 import Attachment, DocumentFormat, FlagStatus, FollowUp, Importance, Item, ItemKind
from rookery_client import Client
from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from rookery_core.rules.ids import text_of
from tests.support.server import server_process

__all__ = ["server_process"]

EVENT = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:walk@example.org\r
DTSTAMP:20260101T000000Z\r
DTSTART:20260301T100000Z\r
DTEND:20260301T110000Z\r
SUMMARY:Walk in the park\r
LOCATION:Tiergarten\r
END:VEVENT\r
END:VCALENDAR\r
"""
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Bert Brecht\r\nN:Brecht;Bert;;;\r\nEMAIL:bert@example.org\r\nEND:VCARD\r\n"


def message(number, subject, author, day, *, text="Hello", attachment=False):
    head = f"From: {author} <{author.lower()}@example.org>\r\nTo: Anna <anna@example.org>\r\nSubject: {subject}\r\n"
    head += f"Date: {day:02} Mar 2026 08:00:00 +0000\r\nMessage-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
    body = f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    if attachment:
        part = 'Content-Type: text/csv; name="list.csv"\r\nContent-Disposition: attachment; filename="list.csv"\r\n\r\na,b\r\n'
        body = f"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n{body}--x\r\n{part}--x--\r\n"
    return (head + body).encode()


MESSAGES = [
    message(1, "Invoice for March", "Bert", 1, text="Please pay 42 euros."),
    message(2, "Re: Invoice for March", "Carla", 2, text="Paid."),
    message(3, "Äpfel und Birnen", "Dora", 3, text="日本語のテキスト", attachment=True),
    message(4, "apple pie", "bert", 3, text="A recipe with apples"),
    message(5, "", "Emil", 5, text="No subject, but an invoice."),
]


async def fill(client):
    """Something of every kind, with marks, in several folders."""
    projects = await client.folders.create("Projects")
    year = await client.folders.create("2026", parent_id=projects.id)
    documents = [(DocumentFormat.DOCUMENT_FORMAT_MESSAGE, data) for data in MESSAGES]
    documents += [(DocumentFormat.DOCUMENT_FORMAT_ICALENDAR, EVENT), (DocumentFormat.DOCUMENT_FORMAT_VCARD, CARD)]
    made = {}
    requests = ((index, ImportDocument(format=kind, data=data)) for index, (kind, data) in enumerate(documents))
    async for result in client.content.import_documents(requests):
        assert result.error is None
        made[result.key] = result.item_id
    task, note, draft = Item(), Item(), Item()
    task.summary.kind, task.summary.subject = ItemKind.ITEM_KIND_TASK, "Water the plants"
    task.summary.task.due.CopyFrom(CalendarTime(local="2026-04-01"))
    note.summary.kind, note.content.body.text = ItemKind.ITEM_KIND_NOTE, "Milk and apples"
    draft.summary.kind, draft.summary.subject = ItemKind.ITEM_KIND_MESSAGE, "Draft of an answer"
    draft.summary.importance = Importance.IMPORTANCE_HIGH
    draft.content.attachments.append(Attachment(name="p.txt", upload_id=await client.content.upload(b"picture")))
    for item in (task, note, draft):
        await client.items.create(item)
    await client.items.set_state([made[0], made[3]], read=True, add_categories=["Red"])
    await client.items.set_state([made[1]], follow_up=FollowUp(status=FlagStatus.FLAG_STATUS_FLAGGED, request="Reply"))
    await client.items.move([made[3]], year.id)
    await client.items.delete([made[4]])
    return made


@pytest.fixture
def anna(server_process, tmp_path, monkeypatch, capfdbinary):
    """Runs the signed-in command beside a server; the mailbox is filled, and the replica too."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv, stdin="", expect=0):
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main([str(each) for each in argv])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        assert status == expect, captured.err.decode()
        return captured.out, captured.err.decode()

    async def prepare():
        async with server_process.connected() as server:
            person = await server.add_person("anna")
        tokens = person.login.tokens
        profile = Profile(server=server_process.address, address=person.address, tokens=tokens)
        Profiles(tmp_path / "config").put("default", profile)
        async with Client.connect(server_process.address, tokens=tokens) as client:
            return await fill(client)

    run.items = asyncio.run(prepare())
    run("sync")
    return run


def listings():
    sorts = ["received", "sent", "from", "subject", "size", "start", "due", "importance"]
    yield from (["ls", "inbox", "--sort", sort, *way] for sort in sorts for way in ([], ["--reverse"]))
    yield from (["ls", folder] for folder in ("projects/2026", "calendar", "tasks", "contacts", "notes", "drafts", "deleted"))
    words = ["--unread", "--flagged", "--has-attachment", "--category red", "--since 2026-03-02", "--until 2026-03-02", "--limit 2"]
    yield from (["ls", "inbox", *options.split()] for options in words)


def searches():
    queries = ["invoice", "appl*", '"for march"', "from:bert", "to:anna -invoice", "subject:invoice", "has:attachment", "äpfel"]
    queries += ["is:unread", "is:flagged", "after:2026-03-02 before:2026-03-04", "in:trash invoice", "kind:contact brecht"]
    queries += ["テキスト", "tiergarten", "category:red", "milk", "-invoice", "in:Projects/2026"]
    yield from (["search", "--", query] for query in queries)
    yield ["search", "invoice", "--folder", "deleted", "--limit", "1"]


def test_lists_and_searches_are_the_same(anna):
    compared = 0
    for argv in [["folders"], *listings(), *searches()]:
        words = [argv[0], "--json", *argv[1:]]
        online, _ = anna(*words)
        offline, notes = anna("--offline", *words)
        assert _settled(argv, json.loads(offline)) == _settled(argv, json.loads(online)), argv
        assert notes == "", argv
        compared += len(json.loads(online).get("items", []))
    assert compared > 100


def _settled(argv, document):
    """Hits of a search that were received in the same moment have no order of their own."""
    if argv[0] == "search":
        document["items"].sort(key=lambda item: item["id"])
        document["items"].sort(key=lambda item: item["summary"]["received"], reverse=True)
    return document


def test_items_are_shown_the_same(anna):
    listed = json.loads((anna("search", "--json", "--limit", "0", "--", "-zzz"))[0])["items"]
    listed += json.loads((anna("ls", "deleted", "--json"))[0])["items"]
    assert len(listed) == 10
    for item in listed:
        for form in ([], ["--json"]):
            assert (anna("--offline", "show", item["id"], *form))[0] == (anna("show", item["id"], *form))[0]


def test_documents_of_events_and_contacts_are_the_same(anna):
    event, contact = (text_of(anna.items[index]) for index in (5, 6))
    commands = [["raw", event], ["raw", contact]]
    commands += [["export", "calendar", "--format", "ics"], ["export", "contacts", "--format", "vcf"]]
    for argv in commands:
        online, _ = anna(*argv)
        assert anna("--offline", *argv)[0] == online and online, argv
    # Of mail the original bytes are the document, and those a replica does not hold.
    out, error = anna("--offline", "export", "inbox", "--format", "mbox", expect=1)
    assert out == b"" and error.count("go online") == 3 and "0 exported, 3 failed" in error


def test_what_was_done_offline_is_on_the_server_after_the_next_sync(anna):
    first, second = text_of(anna.items[0]), text_of(anna.items[1])
    anna("--offline", "mark", first, "--unread", "--category", "Blue")
    anna("--offline", "mkdir", "Projects/Ideas")
    anna("--offline", "move", second, "Projects/Ideas")
    made, _ = anna("--offline", "create", stdin='{"summary": {"kind": "note", "subject": "Milk"}}')
    anna("--offline", "edit", first, "--subject", "Bill for March")
    argvs = [["folders"], ["ls", "inbox"], ["ls", "Projects/Ideas"], ["ls", "notes"]]
    before = [_shape(json.loads((anna("--offline", *argv, "--json"))[0])) for argv in argvs]
    anna("sync")
    after = [_shape(json.loads((anna(*argv, "--json"))[0])) for argv in argvs]
    assert before == after
    assert (anna("show", made.decode().strip()))[0]
    for argv in argvs:
        assert (anna("--offline", *argv, "--json"))[0] == (anna(*argv, "--json"))[0]


def _shape(document):
    """What a person sees of it; what only the server tells (revisions, sizes, uids) is not known before."""
    if "folders" in document:
        return [(each["path"], each["item_count"], each["unread_count"]) for each in document["folders"]]
    return [(each["id"], each["folder_id"], each["state"], each["summary"]["subject"]) for each in document["items"]]


def test_a_replica_that_leaves_things_out_says_so(anna, tmp_path):
    small = ["--replica", str(tmp_path / "small.replica")]
    anna(*small, "sync", "--depth", "summary", "--mail-since", "2026-03-02")
    out, notes = anna(*small, "--offline", "ls", "inbox", "--json")
    assert [each["summary"]["subject"] for each in json.loads(out)["items"]] == ["Äpfel und Birnen", "Re: Invoice for March"]
    assert notes == "Mail from before 2026-03-02 is not in the replica.\n"
    _, error = anna(*small, "--offline", "show", text_of(anna.items[2]), expect=1)
    assert "rookery sync --depth full" in error
    _, error = anna(*small, "--offline", "show", text_of(anna.items[0]), expect=1)
    assert "does not hold this item" in error

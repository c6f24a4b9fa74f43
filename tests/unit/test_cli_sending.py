"""`send`, `reply`, `forward`: what the options make of a draft, what is refused before anything is made, and what is told."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from google.rpc import code_pb2

from rookery.v1 import item_service_pb2 as service
from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.item_pb2 import AttachmentDisposition, Importance, RecipientType
from rookery_client.cli.letters import stdin_text
from tests.support.cli_fakes import ONE_TEXT, shown
from tests.support.cli_mail import (
    DELIVERED,
    FAILED,
    FINAL,
    HELD,
    LETTER,
    LETTER_TEXT,
    MADE_TEXT,
    QUEUED,
    SENT_TEXT,
    Post,
    recipient,
    submission,
)

pytest_plugins = ["tests.support.cli_fixtures"]

MADE_ID = b"n" * 16
TO, CC, BCC = RecipientType.RECIPIENT_TYPE_TO, RecipientType.RECIPIENT_TYPE_CC, RecipientType.RECIPIENT_TYPE_BCC
REPLY_TO = RecipientType.RECIPIENT_TYPE_REPLY_TO


@pytest.fixture
def box():
    return Post()


def addressed(item):
    return [(each.type, each.person.name, each.person.address) for each in item.content.recipients]


def test_send_makes_a_draft_of_stdin_and_hands_it_over(run, box):
    words = ["--to", "Ben <ben@example.org>, c@example.org", "--cc", "d@example.org", "--bcc", "e@Example.ORG"]
    words += [
        "--subject",
        "Grüße",
        "--reply-to",
        "desk@example.org",
        "--from",
        "Ada <ada@example.org>",
        "--importance",
        "high",
        "--read-receipt",
    ]
    status, out, error = run("send", *words, stdin="Hallo\n")
    assert (status, out.decode()) == (0, f"{SENT_TEXT}\n"), error
    assert error == "Sent: 1 delivered here.\n"
    assert addressed(box.made) == [
        (TO, "Ben", "ben@example.org"),
        (TO, "", "c@example.org"),
        (CC, "", "d@example.org"),
        (BCC, "", "e@example.org"),
        (REPLY_TO, "", "desk@example.org"),
    ]
    author = getattr(box.made.summary.message, "from")
    assert (author.name, author.address) == ("Ada", "ada@example.org")
    assert box.made.summary.subject == "Grüße" and box.made.summary.message.draft and not box.made.folder_id
    assert box.made.summary.importance == Importance.IMPORTANCE_HIGH and box.made.content.message.read_receipt_requested
    assert box.made.content.body.text == "Hallo\n" and not box.made.content.body.html
    [request] = box.of(pb.SubmitRequest)
    assert request.item_id == MADE_ID and not request.undo_seconds and not request.HasField("send_at")


def test_files_are_attached_and_shown(run, box, tmp_path):
    for name, text in (("Plan für 2026.txt", "plan"), ("my otter.png", "otter"), ("odd", "?")):
        (tmp_path / name).write_text(text)
    page = tmp_path / "page.html"
    page.write_text('<p>Look: <img src="cid:my-otter.png"></p>')
    words = ["--attach", tmp_path / "Plan für 2026.txt", "--attach", tmp_path / "odd", "--inline", tmp_path / "my otter.png"]
    status, _, error = run("send", "--to", "b@example.org", "--html", page, *words)
    assert (status, error) == (0, "Sent: 1 delivered here.\n")
    image, plan, odd = box.made.content.attachments
    assert (image.name, image.media_type, image.content_id) == ("my otter.png", "image/png", "my-otter.png")
    assert image.disposition == AttachmentDisposition.ATTACHMENT_DISPOSITION_INLINE and len(image.upload_id) == 16
    assert (plan.name, plan.media_type, plan.content_id) == ("Plan für 2026.txt", "text/plain", "")
    assert plan.disposition == AttachmentDisposition.ATTACHMENT_DISPOSITION_ATTACHMENT
    assert odd.media_type == "application/octet-stream"
    assert box.uploads == [b"otter", b"plan", b"?"]
    assert box.made.content.body.text == "Look:", "the plain form of the HTML, where stdin says nothing"


def test_an_image_that_the_html_never_shows_is_told(run, tmp_path):
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "p.html").write_text("<p>no image</p>")
    _, _, error = run("send", "--to", "b@example.org", "--html", tmp_path / "p.html", "--inline", tmp_path / "a.png")
    assert "never shows a.png: it would say cid:a.png" in error


@pytest.mark.parametrize(
    "words",
    [
        ["--to", "ben@example.org\r\nBcc: all@example.org"],
        ["--to", "Ben\n <ben@example.org>"],
        ["--to", "ben\0@example.org"],
        ["--cc", "ben@-bad-.example"],
        ["--bcc", "<@>"],
        ["--to", ""],
        ["--to", "b@example.org", "--subject", "Lunch\r\nX-Evil: 1"],
        ["--to", "b@example.org", "--subject", "Lunch\0"],
        ["--to", "b@example.org", "--from", "a@example.org, b@example.org"],
        ["--to", "b@example.org", "--from", "Anna"],
        ["--to", "b@example.org", "--reply-to", "My Desk"],
        ["--subject", "To nobody"],
        ["--reply-to", "a@example.org"],
        ["--to", "b@example.org", "--undo", "601"],
        ["--to", "b@example.org", "--draft", "--at", "2026-12-24"],
        ["--to", "b@example.org", "--draft", "--wait"],
        ["--item", LETTER_TEXT, "--subject", "Other"],
        ["--item", LETTER_TEXT, "--to", "b@example.org"],
        ["--item", LETTER_TEXT, "--draft"],
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(run, box, words):
    status, out, error = run("send", *words, stdin="text")
    assert (status, out) == (2, b""), error
    assert error.startswith("rookery: ") and error.count("\n") == 1
    assert box.of(service.CreateItemRequest) == box.of(pb.SubmitRequest) == []


def test_file_names_do_not_end_their_field(run, box, tmp_path):
    path = tmp_path / "a\nX-Evil: 1"
    path.write_text("x")
    assert run("send", "--to", "b@example.org", "--attach", path)[0] == 2
    (tmp_path / "p.html").write_text("<p>x</p>")
    for name in ("a b.png", "a+b.png"):
        (tmp_path / name).write_text("x")
    words = ["--inline", tmp_path / "a b.png", "--inline", tmp_path / "a+b.png"]
    assert run("send", "--to", "b@example.org", "--html", tmp_path / "p.html", *words)[0] == 2
    assert run("send", "--to", "b@example.org", "--inline", tmp_path / "a b.png")[0] == 2
    assert box.uploads == [] and box.of(service.CreateItemRequest) == []


def test_what_has_no_size_is_not_attached(run, box, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        status, _, error = run("send", "--to", "b@example.org", "--attach", path)
        assert status == 2 and "is no regular file" in error
    assert box.uploads == [] and box.of(service.CreateItemRequest) == []


@pytest.mark.parametrize("words", [["--at", "tomorrow"], ["--html", "bad.html"]])
def test_what_can_not_be_read_is_one_line(run, box, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.html").write_bytes(b"\xff\xfe")
    status, _, error = run("send", "--to", "b@example.org", *words)
    assert status == 1 and error.count("\n") == 1 and box.of(service.CreateItemRequest) == []


def test_stdin_that_is_no_text_is_refused(run, box):
    status, _, error = run("send", "--to", "b@example.org", stdin="half \udcff")
    assert (status, error) == (1, "rookery: stdin is not UTF-8\n") and box.of(service.CreateItemRequest) == []


def test_a_distribution_list_is_named_by_its_name(run, box):
    box.add_list("Book Club", b"\xb1" * 16)
    assert run("send", "--to", "book club, b@example.org")[0] == 0
    first, second = box.made.content.recipients
    assert (first.list_item_id, first.person.name, first.person.address) == (b"\xb1" * 16, "book club", "")
    assert not second.list_item_id and second.person.address == "b@example.org"


def test_a_name_that_is_no_list_or_two_is_refused(run, box):
    assert "neither an address nor one of your distribution lists" in run("send", "--to", "Nobody")[2]
    for number in (1, 2):
        box.add_list("Twins", bytes([number]) * 16)
    status, _, error = run("send", "--to", "twins")
    assert status == 1 and "2 distribution lists are named" in error
    assert box.of(service.CreateItemRequest) == []


def test_sending_later_and_holding_back(run, box):
    held = submission(recipient("b@example.org", QUEUED), state=HELD)
    held.hold_until.seconds = held.submitted.seconds + 30
    box.answers = [held]
    words = ["--at", "2026-11-24T08:00+01:00", "--undo", "30"]
    status, _, error = run("send", "--to", "b@example.org", *words)
    [request] = box.of(pb.SubmitRequest)
    assert request.send_at.ToJsonString() == "2026-11-24T07:00:00Z" and request.undo_seconds == 30
    assert (status, error) == (0, f"Leaves in 30 seconds. Undo: rookery unsend {SENT_TEXT}\n")
    assert box.of(pb.GetSubmissionRequest) == [], "what is held is not waited for"


def test_a_draft_is_kept_and_sent_later(run, box):
    status, out, error = run("send", "--to", "b@example.org", "--draft", stdin="x")
    assert (status, out.decode()) == (0, f"{MADE_TEXT}\n") and f"rookery send --item {MADE_TEXT}" in error
    assert box.of(pb.SubmitRequest) == []
    assert run("send", "--item", MADE_TEXT, "--undo", "5")[0] == 0
    [request] = box.of(pb.SubmitRequest)
    assert request.item_id == MADE_ID and request.undo_seconds == 5
    assert len(box.of(service.CreateItemRequest)) == 1


def test_a_draft_need_not_say_to_whom(run, box):
    assert run("send", "--draft", stdin="x")[0] == 0
    assert addressed(box.made) == []


def test_what_can_not_be_sent_is_kept_and_the_error_says_where(run, box):
    box.refusal = (code_pb2.PERMISSION_DENIED, "SENDER_NOT_ALLOWED", "you can not send as that")
    status, out, error = run("send", "--to", "b@example.org", stdin="x")
    assert (status, out) == (1, b"")
    assert error == f"rookery: you can not send as that. What you wrote is kept: `rookery send --item {MADE_TEXT}` tries again\n"
    assert run("send", "--item", MADE_TEXT)[2] == "rookery: you can not send as that\n"


def test_wait_ends_with_the_last_answer_and_tells_of_failures(run, box):
    waits, there, gone = (recipient("b@example.org", state) for state in (QUEUED, DELIVERED, FAILED))
    box.answers = [submission(waits, waits), submission(there, waits), submission(there, gone)]
    status, out, error = run("send", "--to", "b@example.org", "--wait", "20", "--json", stdin="x")
    document = json.loads(out)
    assert (status, error) == (1, "") and document["item_id"] == MADE_TEXT
    assert [each["state"] for each in document["submission"]["recipients"]] == ["delivered", "failed"]
    assert len(box.of(pb.GetSubmissionRequest)) == 2


def test_wait_goes_on_no_longer_than_it_is_told(run, box):
    box.answers = [submission(recipient("b@example.org", QUEUED))]
    status, _, error = run("send", "--to", "b@example.org", "--wait", "1")
    assert (status, error) == (0, "Sent: 1 on its way.\n") and box.of(pb.GetSubmissionRequest)


def test_a_server_that_is_gone_meanwhile_is_no_failure_to_send(run, box):
    box.answers = [submission(recipient("b@example.org", QUEUED), id=MADE_ID)]
    status, out, error = run("send", "--to", "b@example.org", "--wait", "5")
    assert (status, error) == (0, "Sent: 1 on its way.\n") and out.decode() == f"{MADE_TEXT}\n"


def test_a_person_at_a_terminal_is_told_how_to_end(monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("Hello\n"))
    assert stdin_text() == "Hello\n" and "Ctrl-D" in capsys.readouterr().err


def test_all_that_failed_is_not_sent(run, box):
    box.answers = [submission(recipient("b@example.org", FAILED), state=FINAL)]
    status, _, error = run("send", "--to", "b@example.org")
    assert (status, error) == (1, f"Not sent: 1 failed (`rookery outbox show {SENT_TEXT}` says why).\n")


def test_reply_answers_the_author_and_keeps_what_the_html_shows(run, box):
    assert run("reply", LETTER_TEXT, "--cc", "d@example.org", stdin="Nice!\n")[0] == 0
    made = box.made
    assert addressed(made) == [(TO, "Bert", "bert@example.org"), (CC, "", "d@example.org")]
    assert made.summary.subject == "Re: Otters" and made.summary.message.draft
    assert made.content.message.in_reply_to == "two@example.org"
    assert list(made.content.message.references) == ["one@example.org", "two@example.org"]
    first, *rest = made.content.body.text.splitlines()
    assert first == "Nice!" and rest[-1] == "> Look." and rest[-2].endswith("Bert <bert@example.org> wrote:")
    [image] = made.content.attachments
    assert image.copy_of.item_id == LETTER and image.copy_of.attachment_id == 1 and image.content_id == "otter@x"
    assert box.uploads == []


def test_reply_all_leaves_oneself_out_and_options_go_before(run, box):
    words = ["--all", "--subject", "Beavers", "--from", "Ada <ada@example.org>", "--draft"]
    assert run("reply", LETTER_TEXT, *words, stdin="x")[0] == 0
    assert addressed(box.made) == [(TO, "Bert", "bert@example.org"), (CC, "", "c@example.org")]
    assert box.made.summary.subject == "Beavers"
    assert getattr(box.made.summary.message, "from").address == "ada@example.org"
    box.asked.clear()
    box.aliases = ["C@example.org"]
    assert run("reply", LETTER_TEXT, "--all", "--draft", stdin="x")[0] == 0
    assert addressed(box.made) == [(TO, "Bert", "bert@example.org")]


def test_who_is_named_beside_an_answer_goes_where_they_are_named_and_is_not_there_twice(run, box):
    words = ["--all", "--to", "C. Lee <C@Example.org>", "--bcc", "bert@example.org", "--reply-to", "bert@example.org"]
    assert run("reply", LETTER_TEXT, *words)[0] == 0
    assert addressed(box.made) == [
        (TO, "C. Lee", "C@example.org"),
        (BCC, "", "bert@example.org"),
        (REPLY_TO, "", "bert@example.org"),
    ]


def test_an_answer_to_nobody_needs_somebody(run, box):
    getattr(box.items[LETTER].summary.message, "from").Clear()
    status, _, error = run("reply", LETTER_TEXT)
    assert (status, error) == (1, "rookery: the message does not say who wrote it: name somebody with --to\n")
    assert box.of(service.CreateItemRequest) == []
    assert run("reply", LETTER_TEXT, "--to", "bert@example.org")[0] == 0
    assert addressed(box.made) == [(TO, "", "bert@example.org")]


def test_who_a_device_does_not_know_by_name_is_named_by_the_server(run, box):
    assert run("reply", LETTER_TEXT)[0] == 0
    assert not box.made.summary.message.HasField("from")
    box.asked.clear()
    box.owner_name = "Anna Ada"
    assert run("reply", LETTER_TEXT)[0] == 0
    assert getattr(box.made.summary.message, "from").name == "Anna Ada"


def test_an_answer_in_html_to_plain_text_is_html(run, box, tmp_path):
    box.items[LETTER].content.body.html = ""
    page = tmp_path / "p.html"
    page.write_text("<p><b>Nice</b></p>")
    assert run("reply", LETTER_TEXT, "--html", page)[0] == 0
    html = box.made.content.body.html
    assert html.startswith("<p><b>Nice</b></p>") and "Look." in html and "<blockquote" in html
    assert box.made.content.body.text.startswith("Nice\n\n")


def test_forward_takes_text_and_attachments_along(run, box, tmp_path):
    (tmp_path / "more.txt").write_text("more")
    status, _, error = run("forward", LETTER_TEXT, "--to", "d@example.org", "--attach", tmp_path / "more.txt", stdin="FYI\n")
    assert status == 0, error
    made = box.made
    assert addressed(made) == [(TO, "", "d@example.org")] and made.summary.subject == "Fwd: Otters"
    assert not made.content.message.in_reply_to and list(made.content.message.references)[-1] == "two@example.org"
    assert made.content.body.text.startswith("FYI\n\n-------- Forwarded message --------\nFrom: Bert <bert@example.org>\n")
    image, table, more = made.content.attachments
    assert [(each.copy_of.item_id, each.copy_of.attachment_id) for each in (image, table)] == [(LETTER, 1), (LETTER, 4)]
    assert (more.name, len(more.upload_id), box.uploads) == ("more.txt", 16, [b"more"])


def test_forward_as_attachment_encloses_the_message_as_it_came(run, box):
    assert run("forward", LETTER_TEXT, "--to", "d@example.org", "--as-attachment", stdin="FYI\n")[0] == 0
    [whole] = box.made.content.attachments
    assert (whole.name, whole.media_type) == ("Re Otters.eml", "message/rfc822") and not whole.HasField("copy_of")
    assert box.uploads == [box.documents[LETTER]] and box.made.content.body.text == "FYI\n"


def test_only_messages_are_answered(run, box):
    box.add_list("Book Club", b"\x01" * 16)
    status, _, error = run("reply", ONE_TEXT)
    assert (status, error) == (1, "rookery: only messages can be answered: this item is none\n")
    assert run("forward", ONE_TEXT, "--to", "b@example.org")[0] == 1
    assert run("forward", LETTER_TEXT)[0] == 2, "to nobody"
    assert box.of(service.CreateItemRequest) == []


def test_a_draft_as_json_has_no_submission(run, box):
    document = shown(run("send", "--draft", "--json"))
    assert document == {"item_id": MADE_TEXT, "submission": None} and box.of(pb.SubmitRequest) == []

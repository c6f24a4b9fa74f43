"""Answers and forwards: who gets them, what they are called, what they quote, and which files go along."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_ATTACHMENT,
    ATTACHMENT_DISPOSITION_INLINE,
    ITEM_KIND_APPOINTMENT,
    ITEM_KIND_MESSAGE,
    RECIPIENT_TYPE_BCC,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
    Attachment,
    Body,
    Item,
    ItemContent,
    ItemSummary,
    MessageContent,
    MessageSummary,
)
from rookery.v1.person_pb2 import Person
from rookery_core.formats import composing, mbox, mime
from rookery_core.formats.composing import WHOLE, Kept, Writer, forward, forward_as_attachment, reply, subject_of
from rookery_core.formats.composing_text import Words
from rookery_core.rules import records
from tests.support import corpus

ANN, BOB, CAROL, DAVE = (Person(name=name.title(), address=f"{name}@b.test") for name in ("ann", "bob", "carol", "dave"))
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
WRITER = Writer(ANN, {"ann@b.test", "Ann.Miller@b.test"}, BERLIN)
TO, CC, BCC, REPLY_TO = RECIPIENT_TYPE_TO, RECIPIENT_TYPE_CC, RECIPIENT_TYPE_BCC, RECIPIENT_TYPE_REPLY_TO


def message(
    author: Person = BOB, *recipients: tuple[int, Person], text: str = "Hello\nAnn\n", html: str = "", **headers: str
) -> Item:
    summary = ItemSummary(
        kind=ITEM_KIND_MESSAGE,
        subject="Lunch",
        sent=Timestamp(seconds=1_793_710_800),
        message=MessageSummary(message_id="m@b.test"),
    )
    records.author(summary.message).CopyFrom(author)
    content = ItemContent(body=Body(text=text, html=html), message=MessageContent(references=["root@b.test", "mid@b.test"]))
    for kind, person in recipients or [(TO, ANN)]:
        content.recipients.add(type=kind, person=person)
    for name, value in headers.items():
        content.message.headers.add(name=name.replace("_", "-"), value=value)
    records.derive(summary, content)
    return Item(id=b"i" * 16, summary=summary, content=content)


def recipients(draft: composing.Draft) -> list[tuple[int, str]]:
    return [(each.type, each.person.address) for each in draft.content.recipients]


def test_an_answer_goes_to_the_author_alone() -> None:
    everybody = message(BOB, (TO, ANN), (TO, CAROL), (CC, DAVE))
    assert recipients(reply(everybody, WRITER)) == [(TO, "bob@b.test")]


def test_an_answer_to_all_leaves_the_writer_out_and_names_each_once() -> None:
    own = Person(address="ANN.miller@B.test")
    everybody = message(BOB, (TO, ANN), (TO, CAROL), (TO, Person(address="BOB@b.test")), (CC, DAVE), (CC, own), (CC, CAROL))
    assert recipients(reply(everybody, WRITER, to_all=True)) == [(TO, "bob@b.test"), (TO, "carol@b.test"), (CC, "dave@b.test")]


def test_reply_to_stands_for_the_author() -> None:
    item = message(BOB, (TO, ANN), (REPLY_TO, CAROL), (REPLY_TO, DAVE))
    assert recipients(reply(item, WRITER)) == [(TO, "carol@b.test"), (TO, "dave@b.test")]
    assert recipients(reply(item, WRITER, to_all=True)) == [(TO, "carol@b.test"), (TO, "dave@b.test")]


def test_a_follow_up_address_is_where_answers_to_all_go() -> None:
    item = message(BOB, (TO, ANN), (CC, CAROL), Mail_Followup_To="List <list@b.test>, ann@b.test")
    assert recipients(reply(item, WRITER, to_all=True)) == [(TO, "list@b.test")]
    assert recipients(reply(item, WRITER)) == [(TO, "bob@b.test")]
    only_own = message(BOB, (TO, ANN), (CC, CAROL), Mail_Followup_To="ann@b.test")
    assert recipients(reply(only_own, WRITER, to_all=True)) == [(TO, "bob@b.test"), (CC, "carol@b.test")]


def test_an_answer_to_ones_own_message_goes_to_those_that_it_went_to() -> None:
    sent = message(ANN, (TO, BOB), (CC, CAROL), (BCC, DAVE))
    assert recipients(reply(sent, WRITER)) == [(TO, "bob@b.test")]
    assert recipients(reply(sent, WRITER, to_all=True)) == [(TO, "bob@b.test"), (CC, "carol@b.test")]
    assert recipients(reply(message(ANN, (TO, ANN)), WRITER, to_all=True)) == [(TO, "ann@b.test")]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Lunch", "Re: Lunch"), ("Re: Lunch", "Re: Lunch"), ("RE: AW: Re[2]: Lunch", "Re: Lunch"), ("WG: Fwd: Lunch", "Re: Lunch"),
        ("Report: x", "Re: Report: x"), ("Redo: x", "Re: Redo: x"), ("", "Re: "), ("回复：午餐", "Re: 午餐"),
        ("x" * 2000, "Re: " + "x" * 996),
    ],
)  # fmt: skip
def test_a_subject_bears_one_prefix(subject: str, expected: str) -> None:
    assert subject_of(subject, "Re") == expected
    assert subject_of(expected, "Re") == expected


def test_an_answer_names_its_parent_and_all_before_it() -> None:
    draft = reply(message(), WRITER)
    assert draft.content.message.in_reply_to == "m@b.test"
    assert list(draft.content.message.references) == ["root@b.test", "mid@b.test", "m@b.test"]
    assert draft.summary.conversation_id == message().summary.conversation_id
    assert draft.summary.message.draft and not draft.summary.message.message_id and not draft.summary.HasField("sent")


def test_references_follow_the_rules_where_the_parent_has_few_or_many() -> None:
    item = message()
    del item.content.message.references[:]
    item.content.message.in_reply_to = "before@b.test"
    assert list(reply(item, WRITER).content.message.references) == ["before@b.test", "m@b.test"]
    item.summary.message.message_id = item.content.message.in_reply_to = ""
    without = reply(item, WRITER).content.message
    assert (without.in_reply_to, list(without.references)) == ("", [])
    long = message()
    long.content.message.references.extend(f"{n}@b.test" for n in range(300))
    kept = reply(long, WRITER).content.message.references
    assert (len(kept), kept[0], kept[-2], kept[-1]) == (200, "root@b.test", "299@b.test", "m@b.test")


def test_the_text_is_quoted_below_who_wrote_it_and_when() -> None:
    assert reply(message(), WRITER, Words("Yes.\n")).content.body.text == (
        "Yes.\n\nOn Tue, 3 Nov 2026 at 14:00 +0100, Bob <bob@b.test> wrote:\n> Hello\n> Ann\n"
    )
    item = message()
    item.summary.ClearField("sent")
    assert reply(item, Writer(ANN, (), dt.UTC)).content.body.text.startswith("\n\nBob <bob@b.test> wrote:\n")
    far = message()
    far.summary.sent.seconds = 253_402_300_799
    assert "31 Dec 9999" in reply(far, WRITER).content.body.text


def test_html_is_quoted_in_a_blockquote_and_what_acts_is_gone() -> None:
    item = message(html='<html><head><script>x()</script></head><body onload="x()"><p>Hello <b>Ann</b></p></body></html>')
    body = reply(item, WRITER, Words("Yes\n& <no>")).content.body
    assert body.html == (
        "<div>Yes</div><div>&amp; &lt;no&gt;</div><br><div>On Tue, 3 Nov 2026 at 14:00 +0100, Bob &lt;bob@b.test&gt; wrote:</div>"
        '<blockquote type="cite"><p>Hello <b>Ann</b></p></blockquote>'
    )
    assert body.text.endswith("> Hello\n> Ann\n")
    rich = reply(item, WRITER, Words(html="<i>Yes</i>")).content.body
    assert rich.html.startswith("<i>Yes</i><br>") and rich.text.startswith("Yes\n\nOn")
    assert reply(message(), WRITER).content.body.html == ""


def test_html_alone_is_quoted_as_text_too() -> None:
    assert reply(message(text="", html="<p>One</p><p>Two</p>"), WRITER).content.body.text.endswith("> One\n>\n> Two\n")


def files() -> list[Attachment]:
    return [
        Attachment(id=1, name="a.png", media_type="image/png", content_id="a@b", disposition=ATTACHMENT_DISPOSITION_INLINE),
        Attachment(id=3, name="b.pdf", media_type="application/pdf", disposition=ATTACHMENT_DISPOSITION_ATTACHMENT, size_bytes=9),
        Attachment(id=4, name="c.png", media_type="image/png", content_id="c@b", disposition=ATTACHMENT_DISPOSITION_INLINE),
    ]


def test_answers_keep_the_images_that_the_quotation_shows_and_forwards_keep_everything() -> None:
    item = message(html='<img src="cid:a@b">')
    item.content.attachments.extend(files())
    answer = reply(item, WRITER)
    assert [each.name for each in answer.content.attachments] == ["a.png"] and answer.kept == (Kept(item.id, 1),)
    assert answer.content.attachments[0].id == 0 and not answer.summary.has_attachments
    assert 'src="cid:a@b"' in answer.content.body.html
    sent_on = forward(item, WRITER)
    assert [each.name for each in sent_on.content.attachments] == ["a.png", "b.pdf", "c.png"]
    assert sent_on.kept == (Kept(item.id, 1), Kept(item.id, 3), Kept(item.id, 4)) and sent_on.summary.has_attachments
    item.content.body.html = ""
    assert reply(item, WRITER).kept == ()


def test_a_forward_tells_who_wrote_what_to_whom_but_not_in_secret() -> None:
    draft = forward(message(BOB, (TO, ANN), (CC, CAROL), (BCC, DAVE), html="<p>Hello</p>"), WRITER, Words("FYI"), to=[DAVE])
    assert draft.content.body.text == (
        "FYI\n\n-------- Forwarded message --------\nFrom: Bob <bob@b.test>\nDate: Tue, 3 Nov 2026 at 14:00 +0100\nSubject: Lunch\n"
        "To: Ann <ann@b.test>\nCc: Carol <carol@b.test>\n\nHello\nAnn\n"
    )
    assert (
        "<b>To:</b> Ann &lt;ann@b.test&gt;<br>" in draft.content.body.html and "<div><p>Hello</p></div>" in draft.content.body.html
    )
    assert recipients(draft) == [(TO, "dave@b.test")] and draft.summary.subject == "Fwd: Lunch"
    assert draft.content.message.in_reply_to == "" and draft.content.message.references[-1] == "m@b.test"


def test_a_forward_as_attachment_carries_items_of_any_kind_as_documents() -> None:
    meeting = Item(id=b"j" * 16, summary=ItemSummary(kind=ITEM_KIND_APPOINTMENT, subject="Meeting"))
    draft = forward_as_attachment([message(), meeting], WRITER, Words("See.", "<p>See.</p>"), to=[BOB])
    assert [(each.name, each.media_type) for each in draft.content.attachments] == [
        ("Lunch.eml", "message/rfc822"),
        ("Meeting.ics", "text/calendar"),
    ]
    assert draft.kept == (Kept(b"i" * 16, WHOLE), Kept(b"j" * 16, WHOLE))
    assert (draft.content.body.text, draft.content.body.html) == ("See.", "<p>See.</p>")
    assert draft.summary.has_attachments and not draft.content.message.references
    assert forward_as_attachment([message()], WRITER).content.message.references[-1] == "m@b.test"


def test_a_quotation_that_is_too_long_is_cut_and_its_html_left_out() -> None:
    body = reply(message(text="x\n" * 2_000_000, html="<p>" + "y" * 4_194_000 + "</p>" + "&" * 500), WRITER).content.body
    assert len(body.text.encode()) <= 4 << 20 and body.html == ""
    assert body.text.count("\n> x") > 1_000_000


def test_every_real_message_can_be_answered_and_forwarded() -> None:
    corpus.require("mime.tar.gz")
    raws = [path.read_bytes() for path in corpus.files("mime")]
    with corpus.mbox().open("rb") as stream:
        raws += [each.raw for each in mbox.read(stream)][::5]
    for raw in raws:
        parsed = mime.parse(raw)
        item = Item(id=b"i" * 16, summary=parsed.summary, content=parsed.content)
        for draft in (reply(item, WRITER, to_all=True), forward(item, WRITER), forward_as_attachment([item], WRITER)):
            attached = [(each, b"data") for each in draft.content.attachments]
            made = mime.compose(draft.summary, draft.content, attached, boundary_seed=b"s", leaving=True)
            again = mime.parse(made)
            assert again.summary.subject.split() == draft.summary.subject.split()
            assert len(again.content.attachments) == len(attached)
            assert "<script" not in again.content.body.html.lower()

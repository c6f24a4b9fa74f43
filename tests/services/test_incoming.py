"""Mail that comes in: whose it is, that each mailbox gets it once, and what becomes of it there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, update

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import item_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery_core.errors import RookeryError
from rookery_core.formats.trace import Hop
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.incoming import bringing, deliveries
from rookery_server.services.incoming.deliveries import Deliveries
from rookery_server.services.incoming.letters import Arrival
from rookery_server.services.incoming.recipients import Recipient, Recipients
from rookery_server.services.submission.settling import Result
from rookery_server.store.tables import account, address, domain, incoming_delivery
from tests.support.mail import INBOX, MailWorld, Outside

if TYPE_CHECKING:
    from rookery_server.gateway.destinations import Feedback
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from tests.support.world import Person

SENDER = "far@elsewhere.example"
LETTER = b"Message-ID: <1@elsewhere.example>\r\nFrom: %b\r\nSubject: Hello\r\n\r\nHello.\r\n" % SENDER.encode()

TRICKS = [
    "far%elsewhere.example@rookery.example",
    '"far@elsewhere.example"@rookery.example',
    "elsewhere.example!far@rookery.example",
    "rookery.example!far@elsewhere.example",
    "@rookery.example:far@elsewhere.example",
    "far@elsewhere.example@rookery.example",
    "far@rookery.example@elsewhere.example",
    "far@elsewhere.example%rookery.example",
    "far@elsewhere.example\0@rookery.example",
    "far@rookery.example.elsewhere.example",
    "anna@elsewhere.example,anna@rookery.example",
    "far@elsewhere。example",
    "far@",
    "@rookery.example",
    "",
]


class Incoming(MailWorld):
    """A world that mail comes in to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.recipients = Recipients(database)
        self.deliveries = Deliveries(
            database, self.clock, self.ids, self.group_mail, authserv_ids=["MX.rookery.example"], wake=lambda: None
        )

    async def find(self, *addresses: str, size: int | None = None) -> list[str]:
        """For each address what it leads to: "found", or the reason why not."""
        found = await self.recipients.find(addresses, size=size)
        return ["found" if isinstance(each, Recipient) else each.reason for each in found]

    async def bring(self, message: bytes, *names: str, sender: str = SENDER, trusted: bool = True) -> list[str]:
        """Delivers a message; "" for each recipient who has it, the reason for the others."""
        found = await self.recipients.find([f"{name}@rookery.example" for name in names])
        recipients = [each for each in found if isinstance(each, Recipient)]
        assert len(recipients) == len(names)
        alone = recipients[0].address if len(names) == 1 else ""
        hop = Hop("mx.elsewhere.example", "192.0.2.1", "mx.rookery.example", "ESMTPS", "42", self.clock.now // 1_000_000, alone)
        outcomes = await self.deliveries.deliver(Arrival(sender, message, hop, trusted), recipients)
        return [outcome.reason if outcome else "" for outcome in outcomes]

    async def alias(self, person: Person, name: str) -> None:
        """One more address for somebody."""
        text = f"{name}@rookery.example"
        row = {"key": text, "text": text, "domain": "rookery.example", "account_id": person.caller.account_id, "is_primary": False}
        await self.database.write(lambda transaction: transaction.connection.execute(insert(address), row) and None)

    async def original(self, person: Person, item_id: bytes) -> bytes:
        """The bytes of a message, with what this mailbox has on top of them."""
        request = content.ReadContentRequest(item_id=item_id)
        chunk: bytes = (await DownloadService(self.database).read_content(person.caller, request)).chunk.data
        return chunk

    async def subjects(self, person: Person) -> list[str]:
        """Of what is in the inbox, sorted."""
        return sorted(item.summary.subject for item in await self.within(person, INBOX))


@pytest.fixture
def world(database: Database) -> Incoming:
    return Incoming(database)


def letter(number: int, **fields: str) -> bytes:
    lines = [f"Message-ID: <{number}@elsewhere.example>", f"From: {SENDER}", f"Subject: {number:04}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", f"This is {number}.\r\n"]).encode()


async def test_an_address_leads_to_its_mailbox_by_whatever_form_it_is_written_in(world: Incoming, anna: Person) -> None:
    await world.alias(anna, "info")
    found = await world.recipients.find(
        ["Anna@ROOKERY.example", '"anna"@rookery.example', "info@rookery.example", "anna+x@rookery.example"]
    )
    assert [isinstance(each, Recipient) and each.mailbox_uid == anna.mailbox for each in found] == [True] * 4


async def test_a_tagged_address_that_somebody_has_is_theirs(world: Incoming, anna: Person, ben: Person) -> None:
    await world.alias(ben, "anna+ben")
    [found] = await world.recipients.find(["anna+ben@rookery.example"])
    assert isinstance(found, Recipient) and found.mailbox_uid == ben.mailbox


async def test_those_who_get_no_mail_are_refused_each_for_their_reason(world: Incoming, anna: Person) -> None:
    await world.person("full", quota=3000)
    disabled = await world.person("disabled")
    this = account.c.id == disabled.caller.account_id
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(account).where(this).values(disabled=True)) and None
    )
    names = ("anna", "full", "disabled", "nobody", "nobody+tag")
    asked = [*(f"{name}@rookery.example" for name in names), "anna@elsewhere.example", "anna@[127.0.0.1]", "no address"]
    answers = [
        "ACCOUNT_DISABLED",
        "ACCOUNT_NOT_FOUND",
        "ACCOUNT_NOT_FOUND",
        "RELAYING_DENIED",
        "RELAYING_DENIED",
        "ADDRESS_INVALID",
    ]
    assert await world.find(*asked, size=1000) == ["found", "QUOTA_EXCEEDED", *answers]
    assert await world.find(*asked, size=500) == ["found", "found", *answers]
    assert await world.find("full@rookery.example", size=None) == ["found"]


async def test_no_trick_makes_a_relay_of_this_server(world: Incoming, anna: Person) -> None:
    await world.alias(anna, "info")
    for trick, answer in zip(TRICKS, await world.find(*TRICKS), strict=True):
        assert answer in {"ACCOUNT_NOT_FOUND", "RELAYING_DENIED", "ADDRESS_INVALID"}, trick


async def test_mail_for_the_postmaster_of_no_domain_goes_to_whoever_is_one(world: Incoming, anna: Person) -> None:
    assert await world.find("postmaster", "Postmaster@rookery.example") == ["ACCOUNT_NOT_FOUND"] * 2
    await world.alias(anna, "postmaster")
    assert await world.find("POSTMASTER", "Postmaster@rookery.example") == ["found"] * 2


async def test_a_message_is_in_the_inbox_unread_behind_its_trace(world: Incoming, anna: Person) -> None:
    world.clock.advance(seconds=5)
    assert await world.bring(LETTER, "anna+shop") == [""]
    [came] = await world.within(anna, INBOX)
    assert came.summary.subject == "Hello" and not came.state.read
    assert came.summary.received.ToMicroseconds() == world.clock.now
    kept = await world.original(anna, came.id)
    assert kept.endswith(LETTER) and came.summary.size_bytes == len(kept)
    trace = kept[: -len(LETTER)].decode().split("\r\n")
    assert trace[:4] == [
        f"Return-Path: <{SENDER}>",
        "Received: from mx.elsewhere.example ([192.0.2.1])",
        "\tby mx.rookery.example with ESMTPS id 42",
        "\tfor <anna+shop@rookery.example>;",
    ]
    await world.check_counters(anna)


async def test_recipients_share_the_bytes_and_do_not_learn_of_each_other(world: Incoming, anna: Person, ben: Person) -> None:
    assert await world.bring(LETTER, "anna", "ben") == ["", ""]
    for person in (anna, ben):
        [came] = await world.within(person, INBOX)
        assert b"for <" not in await world.original(person, came.id)


async def test_what_comes_again_is_not_delivered_again(world: Incoming, anna: Person, ben: Person) -> None:
    assert await world.bring(LETTER, "anna") == [""]
    world.clock.advance(days=2)
    assert await world.bring(LETTER, "anna", "ben") == ["", ""]
    assert await world.subjects(anna) == await world.subjects(ben) == ["Hello"]
    assert await world.bring(LETTER, "anna", sender="other@elsewhere.example") == [""]
    assert await world.bring(LETTER + b"PS\r\n", "anna") == [""]
    assert len(await world.subjects(anna)) == 3


@pytest.mark.parametrize("mode", [item_service_pb2.DELETE_MODE_RECOVERABLE, item_service_pb2.DELETE_MODE_PERMANENT])
async def test_what_comes_again_after_it_was_deleted_stays_deleted(world: Incoming, anna: Person, mode: int) -> None:
    await world.bring(LETTER, "anna")
    [came] = await world.within(anna, INBOX)
    await world.delete(anna, [came.id], mode)
    assert await world.bring(LETTER, "anna") == [""]
    assert await world.subjects(anna) == []


async def test_two_addresses_of_one_account_bring_one_message(world: Incoming, anna: Person) -> None:
    await world.alias(anna, "info")
    assert await world.bring(LETTER, "anna", "info", "anna+x") == ["", "", ""]
    assert await world.subjects(anna) == ["Hello"]


@pytest.mark.parametrize(("named", "copies"), [(b"", 2), (b"Received: from x\r\n", 1), (b"Message-ID: <1@x.example>\r\n", 1)])
async def test_only_what_has_a_name_can_be_known_again(world: Incoming, anna: Person, named: bytes, copies: int) -> None:
    for _ in range(2):
        await world.bring(named + b"Subject: The disk is full\r\n\r\nReally.\r\n", "anna")
    assert len(await world.subjects(anna)) == copies


async def test_a_delivery_is_forgotten_after_a_week_and_not_before(world: Incoming, anna: Person) -> None:
    async def count() -> int:
        return await world.database.read(
            lambda connection: int(connection.execute(select(func.count()).select_from(incoming_delivery)).scalar_one())
        )

    await world.bring(letter(1), "anna")
    world.clock.advance(days=6)
    await world.bring(letter(2), "anna")
    assert await world.deliveries.forget_old() == 0
    world.clock.advance(days=1.5)
    assert await world.deliveries.forget_old() == 1 and await count() == 1


async def test_the_same_message_from_two_connections_at_once_is_one(world: Incoming, anna: Person) -> None:
    outcomes = await asyncio.gather(*(world.bring(LETTER, "anna") for _ in range(8)))
    assert outcomes == [[""]] * 8
    assert await world.subjects(anna) == ["Hello"]
    await world.check_counters(anna)


async def test_many_messages_at_once_for_a_few_mailboxes_all_arrive(world: Incoming, anna: Person, ben: Person) -> None:
    outcomes = await asyncio.gather(*(world.bring(letter(number), *("anna", "ben")[: number % 2 + 1]) for number in range(60)))
    assert all(outcome == [""] * len(outcome) for outcome in outcomes)
    assert await world.subjects(anna) == [f"{number:04}" for number in range(60)]
    assert await world.subjects(ben) == [f"{number:04}" for number in range(1, 60, 2)]
    revisions = [item.revision for item in await world.within(anna, INBOX)]
    assert len(set(revisions)) == 60
    for person in (anna, ben):
        await world.check_counters(person)


async def test_a_full_mailbox_refuses_its_own_copy_alone(world: Incoming, anna: Person) -> None:
    full = await world.person("full", quota=1000)
    large = letter(1, Padding="x" * 900)
    assert await world.bring(large, "full", "anna") == ["QUOTA_EXCEEDED", ""]
    assert await world.subjects(full) == [] and await world.subjects(anna) == ["0001"]
    assert await world.bring(letter(2), "full") == [""]
    assert await world.bring(letter(2), "full") == [""]


async def test_of_several_at_once_those_that_fit_are_taken(world: Incoming) -> None:
    full = await world.person("full", quota=1500)
    outcomes = await asyncio.gather(*(world.bring(letter(number), "full") for number in range(10)))
    came = await world.subjects(full)
    assert 0 < len(came) < 10 and outcomes.count([""]) == len(came) and outcomes.count(["QUOTA_EXCEEDED"]) == 10 - len(came)
    await world.check_counters(full)


async def test_a_message_that_breaks_the_server_takes_no_other_with_it(
    world: Incoming, anna: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = bringing.bring

    def breaking(*arguments: Any) -> Any:
        if any(delivery.letter.content.message.headers[2].value == "0003" for delivery in arguments[2]):
            raise ValueError("a message that nobody had thought of")
        return real(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(deliveries, "bring", breaking)
        outcomes = await asyncio.gather(*(world.bring(letter(number), "anna") for number in range(6)))
    assert outcomes == [["DATABASE_BUSY"] if number == 3 else [""] for number in range(6)]
    assert await world.bring(letter(3), "anna") == [""]
    assert await world.subjects(anna) == [f"{number:04}" for number in range(6)]


async def test_a_message_that_goes_in_circles_is_refused(world: Incoming, anna: Person) -> None:
    with pytest.raises(RookeryError, match="101 hosts") as refused:
        await world.bring(b"Received: from x\r\n" * 101 + LETTER, "anna")
    assert refused.value.reason == "MAIL_LOOP"
    assert await world.bring(b"Received: from x\r\n" * 100 + LETTER, "anna") == [""]


async def test_what_our_own_hosts_found_out_is_kept_and_what_others_claim_is_not(world: Incoming, anna: Person) -> None:
    ours = "mx.rookery.example; dkim=pass header.d=elsewhere.example"
    fields = {"Authentication_Results": ours, "AUTHENTICATION_RESULTS": "evil.example; dmarc=pass"}
    await world.bring(letter(1, **fields), "anna", trusted=True)
    await world.bring(letter(2, **fields), "anna", trusted=False)
    found = {item.summary.subject: list(item.content.message.authentication_results) for item in await world.within(anna, INBOX)}
    assert found == {"0001": [ours], "0002": []}
    stranger = next(item for item in await world.within(anna, INBOX) if item.summary.subject == "0002")
    assert ours.encode() in await world.original(anna, stranger.id)


async def test_a_reply_joins_the_conversation_of_what_was_sent(world: Incoming, anna: Person) -> None:
    sent = await world.send(anna, SENDER, subject="Shall we meet?")
    kept = await world.get(anna, sent.item_id)
    await world.bring(letter(7, References=f"<{kept.summary.message.message_id}>"), "anna")
    [came] = await world.within(anna, INBOX)
    assert came.summary.conversation_id == kept.summary.conversation_id


def bounce(message_id: str, text: str = "550 5.1.1 no such user") -> bytes:
    return "\r\n".join(
        [
            "From: MAILER-DAEMON@elsewhere.example",
            "Message-ID: <bounce@elsewhere.example>",
            "Subject: Undelivered",
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
            "",
            "--b\r\n\r\nSorry.",
            "--b\r\nContent-Type: message/delivery-status",
            "\r\nReporting-MTA: dns; mx.elsewhere.example",
            f"\r\nFinal-Recipient: rfc822; {SENDER}\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; {text}",
            f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\n",
            "--b--\r\n",
        ]
    ).encode()


@pytest.mark.parametrize("sender", ["", "anybody@elsewhere.example"])
async def test_a_report_that_comes_in_is_linked_to_what_was_sent_unless_a_person_wrote_it(
    world: Incoming, anna: Person, sender: str
) -> None:
    def relayed(claimed: Claimed) -> list[Result]:
        return [Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "queued", "mx.elsewhere.example") for _ in claimed.recipients]

    sent = await world.send(anna, SENDER)
    await world.work(Outside(relayed))
    message_id = (await world.get(anna, sent.item_id)).summary.message.message_id
    assert await world.bring(bounce(message_id), "anna", sender=sender) == [""]
    [came] = await world.within(anna, INBOX)
    [recipient] = (await world.submission(anna, sent.id)).recipients
    assert came.summary.message.is_report and came.content.message.report.recipients[0].status_code == "5.1.1"
    if sender:
        assert recipient.state == records.DELIVERY_STATE_RELAYED and not came.content.message.report.submission_id
    else:
        assert (recipient.state, recipient.status_code) == (records.DELIVERY_STATE_FAILED, "5.1.1")
        assert recipient.report_item_id == came.id and came.content.message.report.submission_id == sent.id
    await world.check_counters(anna)


class ReportingAtOnce(Outside):
    """A host that reports before its own answer is written down here."""

    def __init__(self, world: Incoming, message_id: str) -> None:
        super().__init__(lambda claimed: [Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "queued")] * len(claimed.recipients))
        self._world = world
        self._report = bounce(message_id)
        self.said: list[str] = []

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        self.said += await self._world.bring(self._report, "anna", sender="")
        return await super().carry(claimed)


async def test_a_report_that_overtakes_what_it_reports_on_is_to_come_again(world: Incoming, anna: Person) -> None:
    sent = await world.send(anna, SENDER)
    message_id = (await world.get(anna, sent.item_id)).summary.message.message_id
    outside = ReportingAtOnce(world, message_id)
    await world.work(outside)
    assert outside.said == ["DATABASE_BUSY"] and await world.within(anna, INBOX) == []
    assert await world.bring(bounce(message_id), "anna", sender="") == [""]
    [recipient] = (await world.submission(anna, sent.id)).recipients
    [came] = await world.within(anna, INBOX)
    assert (recipient.state, recipient.report_item_id) == (records.DELIVERY_STATE_FAILED, came.id)


async def test_anything_at_all_is_delivered_as_it_came(world: Incoming, anna: Person) -> None:
    odd = [
        b"\r\n",
        b"no header",
        b"\0\xff" * 500,
        b"Subject: \xe9\r\n\r\n\xe9",
        b"a: b\n" * 3000,
        b"From: x\r\n\r\n" + b"y" * 200_000,
    ]
    for message in odd:
        assert await world.bring(message, "anna") == [""]
    stored = [await world.original(anna, item.id) for item in await world.within(anna, INBOX)]
    assert len(stored) == len(odd) and all(any(kept.endswith(b"\r\n" + message) for kept in stored) for message in odd)


async def test_a_domain_without_addresses_is_served_all_the_same(world: Incoming, anna: Person) -> None:
    row = {"name": "empty.example", "created": 0}
    await world.database.write(lambda transaction: transaction.connection.execute(insert(domain), row) and None)
    assert await world.find("anna@empty.example") == ["ACCOUNT_NOT_FOUND"]

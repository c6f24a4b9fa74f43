"""People's own mail programs hand in mail: only theirs, to anybody, and it leaves as they wrote it."""

from __future__ import annotations

import asyncio
import base64
import smtplib
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import admin_service_pb2, item_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub
from rookery_server.bootstrap import CAPTURED
from tests.smtp.mail_server import INBOX, NAME, SENT, mail_server, trusting
from tests.support.mail import until
from tests.support.server import PASSWORD

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from rookery.v1.submission_pb2 import Submission
    from tests.gateway.certificates import Authority
    from tests.smtp.mail_server import MailServer
    from tests.support.server import Person

ANNA, BEN, FAR = "anna@rookery.test", "ben@rookery.test", "far@elsewhere.test"
LETTER = (
    b"From: Anna <anna@rookery.test>\r\nTo: Ben <ben@rookery.test>\r\n"
    b"Bcc: Far Away <far@elsewhere.test>,\r\n hidden@elsewhere.test\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDKIM-Signature: v=1; b=x\r\nX-Odd:   three   blanks\r\n\r\nHello.  \r\n.dot\r\n"
)


async def hand_in(
    server: MailServer, recipients: Sequence[str], message: bytes = LETTER, *, sender: str = ANNA, user: str = ANNA
) -> tuple[int, str] | dict[str, Any]:
    """Hands in a message without TLS, as is allowed on this machine; gives the refusal, or the refused recipients."""

    def work(client: smtplib.SMTP) -> tuple[int, str] | dict[str, Any]:
        client.login(user, PASSWORD)
        try:
            return client.sendmail(sender, recipients, message)
        except smtplib.SMTPRecipientsRefused as error:
            return error.recipients
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, f"{error.smtp_error!r}"[2:7]

    answer: tuple[int, str] | dict[str, Any] = await server.smtp("submission", work)
    return answer


async def submission(server: MailServer, person: Person) -> Submission:
    """The only submission, once nobody waits for it."""
    service: Any = SubmissionServiceStub(server.running.channel)
    found: list[Submission] = []

    async def is_done() -> bool:
        found[:] = (await service.ListSubmissions(messages.ListSubmissionsRequest(), metadata=person.metadata)).submissions
        return bool(found) and all(each.state != records.DELIVERY_STATE_QUEUED for each in found[0].recipients)

    await until(is_done)
    [only] = found
    return only


def captured(folder: pathlib.Path) -> list[bytes]:
    """What left for other servers, each with its envelope."""
    return [path.read_bytes() for path in sorted((folder / "data" / CAPTURED).glob("*.eml"))]


async def test_a_message_leaves_as_it_was_written_but_for_what_is_hidden(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna, ben = [await server.running.add_person(name) for name in ("anna", "ben")]
        assert await hand_in(server, [BEN, FAR, "hidden@elsewhere.test", "unnamed@other.test", BEN]) == {}
        [came] = await server.within(ben, count=1)
        original = await server.original(ben, came)
        sent = await submission(server, anna)
        [kept] = await server.within(anna, SENT, count=1)
    visible = LETTER.replace(b"Bcc: Far Away <far@elsewhere.test>,\r\n hidden@elsewhere.test\r\n", b"")
    top, _, rest = original.partition(b"From: ")
    assert b"From: " + rest == visible
    lines = top.decode().split("\r\n")
    assert lines[0] == f"Return-Path: <{ANNA}>" and lines[1].startswith(f"Received: by {NAME} with ESMTPA id ")
    assert lines[3].startswith("Date: ") and lines[4].startswith("Message-ID: <") and lines[4].endswith(f"@{NAME}>")
    assert b"127.0.0.1" not in top and b"client.test" not in top
    assert [each.person.address for each in sent.recipients] == [BEN, FAR, "hidden@elsewhere.test", "unnamed@other.test"]
    assert sent.recipients[1].person.name == "Far Away"
    assert [each.state for each in sent.recipients] == [records.DELIVERY_STATE_DELIVERED] + [records.DELIVERY_STATE_RELAYED] * 3
    assert kept.summary.subject == came.summary.subject == "Grüße" and kept.state.read and not kept.summary.message.draft
    assert kept.summary.conversation_id == came.summary.conversation_id
    hidden = [each.person.address for each in kept.content.recipients if each.type == item_pb2.RECIPIENT_TYPE_BCC]
    assert hidden == [FAR, "hidden@elsewhere.test", "unnamed@other.test"]
    assert [each.person.address for each in came.content.recipients] == [BEN]
    for data in captured(tmp_path):
        assert data.endswith(visible) and b"Bcc" not in data


async def test_date_and_message_id_of_the_program_stay(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna")
        own = b"Message-ID: <own@laptop>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0100\r\n" + LETTER
        for _ in range(2):  # whoever sends the same twice has a reason
            assert await hand_in(server, [ANNA], own) == {}
        came = await server.within(anna, count=2)
        assert [item.summary.message.message_id for item in came] == ["own@laptop"] * 2
        assert (await server.original(anna, came[0])).lower().count(b"message-id:") == 1


async def test_nobody_sends_in_the_name_of_another(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        for name in ("anna", "ben"):
            await server.running.add_person(name)
        refused = (550, "5.7.1")
        assert await hand_in(server, [FAR], sender=BEN) == refused
        assert await hand_in(server, [FAR], sender=FAR) == refused
        for author in (
            b"From: ben@rookery.test",
            b"From: anna@rookery.test, ben@rookery.test",
            b"Sender: ben@rookery.test\r\nFrom: anna@rookery.test",
            b"From: anna@rookery.test\r\nFrom: ben@rookery.test",
            b"From: =?utf-8?q?anna=40rookery=2Etest?= <ben@rookery.test>",
            b"Resent-From: ben@rookery.test\r\nFrom: anna@rookery.test",
        ):
            assert await hand_in(server, [FAR], LETTER.replace(b"From: Anna <anna@rookery.test>", author)) == refused, author
        assert await hand_in(server, [FAR], LETTER.replace(b"From: Anna <anna@rookery.test>", b"X: y")) == (554, "5.6.0")
        assert await hand_in(server, [FAR], sender="Anna@ROOKERY.test") == {}
        receipt = LETTER.replace(b"Subject: ", b"Content-Type: multipart/report; boundary=b\r\nSubject: ")
        assert await hand_in(server, [FAR], receipt, sender="") == {}
        await until(lambda: _are_captured(tmp_path, 2))
    assert {data.split(b"\r\n")[0] for data in captured(tmp_path)} == {
        b"X-Rookery-Sender: Anna@rookery.test",
        b"X-Rookery-Sender: ",
    }


async def _are_captured(folder: pathlib.Path, count: int) -> bool:
    return len(captured(folder)) == count


async def test_who_does_not_exist_here_is_refused_at_once(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        await server.running.add_person("anna")
        answer = await hand_in(server, [FAR, "nobody@rookery.test", "postmaster"])
        assert isinstance(answer, dict)
        assert {address: code for address, (code, _) in answer.items()} == {"nobody@rookery.test": 550, "postmaster": 553}


async def test_a_colleague_s_full_mailbox_is_told_by_a_report(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna")
        await server.running.add_person("full", quota_bytes=100)
        assert await hand_in(server, ["full@rookery.test"]) == {}
        [report] = await server.within(anna, INBOX, count=1)
        sent = await submission(server, anna)
        assert report.content.message.report.submission_id == sent.id and sent.recipients[0].status_code == "5.2.2"


async def test_a_full_mailbox_has_no_room_for_the_sender_s_own_copy(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna", quota_bytes=200)
        assert await hand_in(server, [FAR]) == (552, "5.2.2")
        assert await server.within(anna, SENT) == []
    assert captured(tmp_path) == []


async def test_passwords_are_taken_under_tls_alone(tmp_path: pathlib.Path, authority: Authority) -> None:
    async with mail_server(tmp_path, authority) as server:
        await server.running.add_person("anna")

        def in_plain_text(client: smtplib.SMTP) -> tuple[bool, int, int]:
            offered = client.has_extn("auth")
            return offered, client.docmd("AUTH", "PLAIN AGFubmEAeA==")[0], client.docmd("MAIL", f"FROM:<{ANNA}>")[0]

        def encrypted(client: smtplib.SMTP) -> dict[str, Any]:
            client.starttls(context=trusting(authority))
            client.login(ANNA, PASSWORD)
            return client.sendmail(ANNA, [FAR], LETTER)

        def implicitly() -> dict[str, Any]:
            with smtplib.SMTP_SSL(*server.where("submissions"), context=trusting(authority)) as client:
                client.login(ANNA, PASSWORD)
                return client.sendmail(ANNA, [FAR], LETTER)

        offered, sign_in, mail = await server.smtp("submission", in_plain_text)
        assert not offered and sign_in in {530, 538} and mail == 530
        assert await server.smtp("submission", encrypted) == {}
        assert await asyncio.to_thread(implicitly) == {}
        await until(lambda: _are_captured(tmp_path, 2))
    assert all(b" with ESMTPSA id " in data for data in captured(tmp_path))


async def test_a_header_that_others_may_read_otherwise_is_refused(tmp_path: pathlib.Path) -> None:
    start = b"From: Anna <anna@rookery.test>\r\n"
    async with mail_server(tmp_path) as server:
        await server.running.add_person("anna")
        for odd in (
            b"not a field\r\nnor this\r\nBcc: hidden@elsewhere.test\r\n",
            b"not a field\r\nnor this\r\nFrom: ben@rookery.test\r\n",
            b"Bcc: far@elsewhere.test,\r\nhidden@elsewhere.test\r\n",
            b"B\0cc: hidden@elsewhere.test\r\n",
            b"X: %b\r\n" % (b"y" * 900) * 2400 + b"From: ben@rookery.test\r\n",
        ):
            assert await hand_in(server, [FAR], start + odd + b"Subject: Odd\r\n\r\nHello.\r\n") == (554, "5.6.0"), odd[:100]
        folded = b"Bcc : hidden@elsewhere.test,\r\n \r\n\tother@elsewhere.test\r\n"
        assert await hand_in(server, [FAR], start + folded + b"Subject: Fine\r\n\r\n") == {}
        assert await hand_in(server, [FAR], start + b"Subject: Nothing but a header\r\n") == {}
        await until(lambda: _are_captured(tmp_path, 2))
    assert all(b"hidden@" not in data and b"other@" not in data for data in captured(tmp_path))


async def test_whose_account_was_disabled_sends_no_more_through_a_connection_that_is_open(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_account("anna")
        loop = asyncio.get_running_loop()
        disabled = admin_service_pb2.Account(id=anna.id, disabled=True)
        request = admin_service_pb2.UpdateAccountRequest(operation_id=server.running.ids.new(), account=disabled)
        request.update_mask.paths.append("disabled")

        async def disable() -> None:
            await server.running.admin.UpdateAccount(request)

        def send(client: smtplib.SMTP) -> tuple[list[int], int, int]:
            client.login(ANNA, PASSWORD)
            begun = [client.mail(ANNA)[0], client.rcpt(FAR)[0]]
            asyncio.run_coroutine_threadsafe(disable(), loop).result(30)
            return begun, client.data(LETTER)[0], client.mail("")[0]

        assert await server.smtp("submission", send) == ([250, 250], 530, 530)
    assert captured(tmp_path) == []


@pytest.mark.parametrize("user", [ANNA, "nobody@rookery.test", "disabled@rookery.test", "no address"])
async def test_a_wrong_password_and_an_unknown_name_are_refused_alike_and_guessing_is_slowed_down(
    tmp_path: pathlib.Path, user: str
) -> None:
    async with mail_server(tmp_path) as server:
        await server.running.add_person("anna")
        await server.running.add_account("disabled", disabled=True)

        credentials = base64.b64encode(f"\0{user}\0wrong horse battery".encode()).decode()

        def guess(client: smtplib.SMTP) -> tuple[int, bytes]:
            return client.docmd("AUTH", f"PLAIN {credentials}")

        answers = [await server.smtp("submission", guess) for _ in range(6)]
        assert [(code, text[:5]) for code, text in answers] == [(535, b"5.7.8")] * 5 + [(454, b"4.7.0")]
        assert len({text for _, text in answers[:5]}) == 1

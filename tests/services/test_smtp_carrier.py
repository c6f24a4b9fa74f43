"""From the queue to another server's SMTP: the message as it was submitted, in a form that the other side takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dkim
import pytest

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import submission_pb2 as records
from rookery.v1.dkim_service_pb2 import DKIM_ALGORITHM_ED25519
from rookery.v1.item_pb2 import Attachment
from rookery_server.gateway import outside, smarthosts
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.signing.dkim_keys import Algorithm, dns_record, generate, to_der
from rookery_server.store import dkim_keys
from rookery_server.store.dkim_keys import DkimKeyRow
from tests.gateway.postfix import free_port, running_sink
from tests.support.mail import MailWorld

if TYPE_CHECKING:
    from rookery_server.gateway.smtp_carrier import SmtpCarrier
    from rookery_server.store.database import Database
    from tests.support.world import Person

NOT_ASCII = (
    "Subject: inside\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n".encode()
)


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database, max_message_bytes=4 << 20)


def by_way_of(world: MailWorld, port: int) -> SmtpCarrier:
    smarthost = smarthosts.parse(f"smtp://127.0.0.1:{port}")
    return outside.open_carrier(world.leaving, world.clock, lambda: 0.5, own_name="mail.rookery.test", smarthost=smarthost)


async def attached(world: MailWorld, person: Person, name: str, media_type: str, data: bytes) -> Attachment:
    uploads = UploadService(world.database, world.clock, world.ids, max_message_bytes=4 << 20)
    upload_id = world.ids.new()

    async def pieces() -> Any:
        yield content.UploadRequest(upload_id=upload_id, total_bytes=len(data), data=data)

    await uploads.upload(person.caller, pieces())
    return Attachment(name=name, media_type=media_type, upload_id=upload_id)


async def test_a_large_message_arrives_as_it_was_stored(world: MailWorld, anna: Person) -> None:
    file = await attached(world, anna, "large.bin", "application/octet-stream", bytes(range(256)) * 4000)
    sent = await world.send(anna, "a@one.test", "b@one.test", attachments=[file])
    message = await world.message(anna, sent.id)
    assert len(message) > 1_300_000
    with running_sink() as sink:
        await world.work(by_way_of(world, sink.port))
        [found] = sink.messages()
    assert found.replace(b"\r\n", b"\n").rstrip().endswith(message.replace(b"\r\n", b"\n").rstrip())
    recipients = (await world.submission(anna, sent.id)).recipients
    assert [each.state for each in recipients] == [records.DELIVERY_STATE_RELAYED] * 2
    assert recipients[0].reply.startswith("250") and f"127.0.0.1]:{sink.port}" in recipients[0].remote_host


@pytest.mark.parametrize("options", [(), ("-8",)], ids=["8BITMIME", "7 bits only"])
async def test_what_has_8_bits_is_converted_only_where_it_must_be(world: MailWorld, anna: Person, options: tuple[str, ...]) -> None:
    inside = await attached(world, anna, "inside.eml", "message/rfc822", NOT_ASCII)
    sent = await world.send(anna, "a@one.test", attachments=[inside])
    assert not (await world.message(anna, sent.id)).isascii()
    key = generate("mail", Algorithm.ED25519)
    row = DkimKeyRow("rookery.example", "mail", DKIM_ALGORITHM_ED25519, to_der(key), active=True, created=0)
    await world.database.write(lambda transaction: dkim_keys.add(transaction.connection, row))
    with running_sink(*options) as sink:
        await world.work(by_way_of(world, sink.port))
        [found] = sink.messages()
    signed = found[found.index(b"DKIM-Signature:") :].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    record = dns_record("rookery.example", key).text.encode()
    assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: record), "what leaves is signed, and not what was stored"
    assert found.isascii() == bool(options)
    assert (b"Gr=C3=BC=C3=9Fe" in found or b"R3LDvMOfZQ" in found) == bool(options)
    [recipient] = (await world.submission(anna, sent.id)).recipients
    assert recipient.state == records.DELIVERY_STATE_RELAYED


@pytest.mark.parametrize(
    ("options", "state", "code"),
    [
        (("-f", "RCPT"), records.DELIVERY_STATE_FAILED, "5.3.0"),
        (("-r", "RCPT"), records.DELIVERY_STATE_DEFERRED, "4.3.0"),
        (("-q", "."), records.DELIVERY_STATE_DEFERRED, "4.4.2"),
    ],
)
async def test_what_the_host_says_is_written_down(
    world: MailWorld, anna: Person, options: tuple[str, ...], state: int, code: str
) -> None:
    sent = await world.send(anna, "a@one.test")
    with running_sink(*options, keep=False) as sink:
        await world.work(by_way_of(world, sink.port))
    after = await world.submission(anna, sent.id)
    [recipient] = after.recipients
    assert (recipient.state, recipient.status_code) == (state, code) and recipient.reply
    may_have_arrived = options[1] == "."
    assert (after.state == records.SUBMISSION_STATE_FINAL) == (may_have_arrived or state == records.DELIVERY_STATE_FAILED)


async def test_no_host_at_all_puts_the_message_off(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.test")
    await world.work(by_way_of(world, free_port()))
    [recipient] = (await world.submission(anna, sent.id)).recipients
    assert (recipient.state, recipient.status_code) == (records.DELIVERY_STATE_DEFERRED, "4.4.1")

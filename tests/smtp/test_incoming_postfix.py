"""Postfix in front of the server: what it takes from the world comes in by LMTP, and what we send goes through it."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
from typing import TYPE_CHECKING, Any

from tests.gateway.postfix import DOMAIN, free_port, running_postfix
from tests.gateway.postfix import NAME as POSTFIX
from tests.smtp.mail_server import INBOX, NAME, SENT, MailServer, mail_server
from tests.support.server import PASSWORD

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

    from tests.gateway.certificates import Authority
    from tests.gateway.postfix import Postfix

MESSAGES = 30
ANNA, BACK = "anna@rookery.test", f"back@{DOMAIN}"


@contextlib.asynccontextmanager
async def behind_postfix(folder: pathlib.Path, authority: Authority) -> AsyncIterator[tuple[MailServer, Postfix]]:
    """A server with a Postfix that brings it mail for rookery.test, and takes its mail for others."""
    port = free_port()
    settings = {
        "relay_domains": "rookery.test",
        "relay_transport": f"lmtp:inet:[127.0.0.1]:{port}",
        "virtual_alias_maps": f"inline:{{{{{BACK} = {ANNA}}}}}",
    }
    with running_postfix(authority.issue(POSTFIX), settings) as postfix:
        out: dict[str, Any] = {"mail_delivery": "smarthost", "smarthost": f"smtp://127.0.0.1:{postfix.port}"}
        async with mail_server(folder, lmtp=f"127.0.0.1:{port}", trusted_authserv=POSTFIX, **out) as server:
            yield server, postfix


async def world_sends(postfix: Postfix, work: Callable[[smtplib.SMTP], object]) -> None:
    """What somebody out there does with Postfix."""

    def run() -> None:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as client:
            client.ehlo("world.test")
            work(client)

    await asyncio.to_thread(run)


def letter(number: int, *fields: str, sender: str = f"ben@{DOMAIN}", body: str = "Grüße.\r\n.dot\r\n") -> bytes:
    lines = [f"Message-ID: <{number}@world.test>", f"From: {sender}", f"Subject: {number:04}", *fields]
    return "\r\n".join([*lines, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", body]).encode()


async def test_what_the_world_sends_comes_in_through_postfix(tmp_path: pathlib.Path, authority: Authority) -> None:
    async with behind_postfix(tmp_path, authority) as (server, postfix):
        anna, carl = await server.running.add_person("anna"), await server.running.add_person("carl")
        unicode = await server.running.add_person("ännä")

        def post(client: smtplib.SMTP) -> None:
            for number in range(MESSAGES):
                client.sendmail(f"ben@{DOMAIN}", [ANNA, "carl+tag@rookery.test"], letter(number), ["BODY=8BITMIME"])
            client.sendmail(f"ben@{DOMAIN}", ["nobody@rookery.test"], letter(100))
            utf8 = letter(101, sender="bén@world.test")
            client.sendmail("bén@world.test", ["ännä@rookery.test"], utf8, ["SMTPUTF8", "BODY=8BITMIME"])

        await world_sends(postfix, post)
        for person in (anna, carl):
            came = await server.within(person, count=MESSAGES)
            assert [item.summary.subject for item in came] == [f"{number:04}" for number in range(MESSAGES)]
            assert all(item.content.body.text == "Grüße.\n.dot\n" for item in came)
            trace = (await server.original(person, came[0])).split(b"\r\n")
            assert trace[:3] == [
                f"Return-Path: <ben@{DOMAIN}>".encode(),
                f"Received: from {POSTFIX} ([127.0.0.1])".encode(),
                trace[2],
            ]
            assert trace[2].startswith(f"\tby {NAME} with LMTP id ".encode())
        [only] = await server.within(unicode, count=1)
        assert b" with UTF8LMTP id " in await server.original(unicode, only)
        [bounce] = await postfix.mailbox("ben")
        assert b"550 5.1.1" in bounce and b"nobody@rookery.test" in bounce


async def test_what_is_sent_through_postfix_comes_back_into_its_conversation(tmp_path: pathlib.Path, authority: Authority) -> None:
    async with behind_postfix(tmp_path, authority) as (server, _):
        anna = await server.running.add_person("anna")
        message = letter(1, f"To: {BACK}", sender=ANNA)

        def hand_in(client: smtplib.SMTP) -> None:
            client.login(ANNA, PASSWORD)
            client.sendmail(ANNA, [BACK], message, ["BODY=8BITMIME"])

        await server.smtp("submission", hand_in)
        [sent] = await server.within(anna, SENT, count=1)
        [back] = await server.within(anna, INBOX, count=1)
        assert back.summary.conversation_id == sent.summary.conversation_id
        data = await server.original(anna, back)
        assert data.endswith(message[message.index(b"From: ") :]) and data.count(b"Received: ") == 3

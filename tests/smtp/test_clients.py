"""Clients that others wrote: Python's smtplib, and Postfix's smtp-source."""

from __future__ import annotations

import asyncio
import smtplib
import subprocess
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from rookery_server.smtp.receiving import Kind
from tests.gateway.postfix import program
from tests.smtp.engine import UNKNOWN, ScriptedReceiver, running

if TYPE_CHECKING:
    import ssl

    from tests.gateway.certificates import Authority


def message() -> EmailMessage:
    written = EmailMessage()
    written["Subject"] = "Grüße"
    written["From"], written["To"] = "anna@rookery.test", "ben@other.test, cleo@rookery.test"
    written.set_content(".\n..\nEnde\n" * 1000)
    return written


async def test_smtplib_encrypts_signs_in_and_sends(authority: Authority, server_tls: ssl.SSLContext) -> None:
    sent = message()

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        context = authority.client_context()
        context.check_hostname = False  # smtplib takes the address for the name
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=10) as client:
            client.starttls(context=context)
            client.login("anna@rookery.test", "correct horse")
            return client.send_message(sent)

    async with running(Kind.SUBMISSION, tls=server_tls) as server:
        assert await asyncio.to_thread(send, server.port) == {}
    [delivered] = server.receiver.delivered
    assert delivered.protocol == "ESMTPSA"
    assert delivered.envelope.recipients == ["ben@other.test", "cleo@rookery.test"]
    assert delivered.message.replace(b"\r\n", b"\n") == sent.as_bytes()
    assert delivered.message.count(b"\r\n") == delivered.message.count(b"\n")


async def test_smtplib_hears_of_refused_recipients_and_passwords(server_tls: ssl.SSLContext) -> None:
    receiver = ScriptedReceiver(refused={"ben@other.test": UNKNOWN}, password="another")

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=10) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
                client.login("anna@rookery.test", "correct horse")
            client.login("anna@rookery.test", "another")
            return client.send_message(message())

    async with running(Kind.SUBMISSION, receiver, plaintext_passwords=True) as server:
        assert await asyncio.to_thread(send, server.port) == {"ben@other.test": (550, b"5.1.1 Nobody has this address")}
    assert receiver.delivered[0].envelope.recipients == ["cleo@rookery.test"]


async def test_smtplib_speaks_lmtp() -> None:
    def send(port: int) -> None:
        with smtplib.LMTP("127.0.0.1", port, local_hostname="client.test") as client:
            client.sendmail("ben@other.test", ["anna@rookery.test"], "Subject: x\n\n.hello\n")

    async with running(Kind.LMTP) as server:
        await asyncio.to_thread(send, server.port)
    assert server.receiver.messages == [b"Subject: x\r\n\r\n.hello\r\n"]


@pytest.mark.parametrize("kind", [Kind.SMTP, Kind.LMTP])
@pytest.mark.parametrize("recipients", [1, 3])
async def test_smtp_source_sends_from_many_sessions_at_once(kind: Kind, recipients: int) -> None:
    options = ["-L"] if kind is Kind.LMTP else []
    options += ["-s", "8", "-m", "200", "-l", "25000", "-r", str(recipients), "-f", "ben@other.test", "-t", "anna@rookery.test"]
    async with running(kind) as server:
        command = [program("smtp-source"), "-d", *options, f"inet:127.0.0.1:{server.port}"]
        finished = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60, check=False)
        assert (finished.returncode, finished.stderr) == (0, b"")
        await server.quiet()
    assert [len(each.envelope.recipients) for each in server.receiver.delivered] == [recipients] * 200
    assert all(each.message.startswith(b"From: ") and len(each.message) > 24_000 for each in server.receiver.delivered)
    assert (server.counters.messages, server.counters.connections) == (200, 8)


async def test_smtp_source_connects_anew_for_each_message() -> None:
    async with running() as server:
        command = [program("smtp-source"), "-s", "20", "-m", "200", f"inet:127.0.0.1:{server.port}"]
        finished = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60, check=False)
        assert (finished.returncode, finished.stderr) == (0, b"")
        await server.quiet()
    assert (server.counters.messages, server.counters.connections) == (200, 200)

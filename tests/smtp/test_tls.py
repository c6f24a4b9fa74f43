"""STARTTLS, TLS from the first byte, and what an attacker in between might try."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import InvalidArgument
from rookery_server.smtp.encryption import tls_context
from rookery_server.smtp.receiving import Kind
from tests.smtp.engine import HOST, running

if TYPE_CHECKING:
    import pathlib

    from tests.gateway.certificates import Authority


async def test_starttls_encrypts_and_begins_anew(authority: Authority, server_tls: ssl.SSLContext) -> None:
    async with running(tls=server_tls) as server, server.client() as client:
        assert "STARTTLS" in await client.hello()
        await client.say("MAIL FROM:<ben@other.test>")
        await client.start_tls(authority.client_context())
        assert await client.say("RCPT TO:<anna@rookery.test>") == "503 5.5.1 MAIL comes first"
        assert await client.say("MAIL FROM:<ben@other.test>") == "503 5.5.1 EHLO comes first"
        assert "STARTTLS" not in await client.say("EHLO again.test")
        assert await client.say("STARTTLS") == "503 5.5.1 Encrypted already"
        await client.begin()
        client.write(b"x" * 300_000 + b"\r\n")
        assert await client.say(b".") == "250 2.0.0 Taken"
        await client.say("QUIT")
    [delivered] = server.receiver.delivered
    assert delivered.protocol == "ESMTPS"
    assert delivered.session.hello == "again.test"
    assert delivered.session.tls.startswith("TLSv1.3 TLS_")
    assert len(delivered.message) == 300_002


async def test_lmtp_and_addresses_beyond_ascii_are_in_the_name_of_the_protocol(
    authority: Authority, server_tls: ssl.SSLContext
) -> None:
    async with running(Kind.LMTP, tls=server_tls) as server, server.client() as client:
        await client.hello("LHLO")
        await client.start_tls(authority.client_context())
        await client.say("LHLO client.test")
        await client.say("MAIL FROM:<bén@other.test> SMTPUTF8", "RCPT TO:<änne@rookery.test>", "DATA")
        await client.say(b".")
    [delivered] = server.receiver.delivered
    assert (delivered.protocol, delivered.envelope.recipients) == ("UTF8LMTPS", ["änne@rookery.test"])


async def test_commands_slipped_in_behind_starttls_are_never_obeyed(server_tls: ssl.SSLContext) -> None:
    async with running(tls=server_tls) as server, server.client() as client:
        await client.hello()
        client.send("STARTTLS", "MAIL FROM:<attacker@other.test>")
        assert await client.reply() == "554 5.5.0 Wait for the answer to STARTTLS"
        assert await client.rest() == b""
        await server.quiet()
    assert server.receiver.senders == []


async def test_commands_slipped_in_after_the_answer_break_the_handshake(server_tls: ssl.SSLContext) -> None:
    async with running(tls=server_tls) as server, server.client() as client:
        await client.hello()
        assert (await client.say("STARTTLS")).startswith("220 ")
        client.send("MAIL FROM:<attacker@other.test>")
        assert b"250" not in await client.rest()
        await server.quiet()
        assert server.counters.refused_connections == 1
    assert server.receiver.senders == []


async def test_who_leaves_during_the_handshake_or_never_begins_it_is_let_go(server_tls: ssl.SSLContext) -> None:
    limits = {"handshake_seconds": 0.2}
    async with running(tls=server_tls, limits=limits) as server, server.client() as leaving, server.client() as silent:
        for client in (leaving, silent):
            await client.hello()
            await client.say("STARTTLS")
        await leaving.close()
        assert await silent.rest() == b""
        await server.quiet()


@pytest.mark.parametrize("kind", [Kind.SMTP, Kind.SUBMISSION])
async def test_tls_from_the_first_byte(kind: Kind, authority: Authority, server_tls: ssl.SSLContext) -> None:
    async with running(kind, tls=server_tls, implicit_tls=True) as server:
        async with server.client(ssl=authority.client_context(), server_hostname=HOST) as client:
            extensions = await client.hello()
            assert "STARTTLS" not in extensions
            assert ("AUTH PLAIN LOGIN" in extensions) == (kind is Kind.SUBMISSION)
            assert await client.say("QUIT") == "221 2.0.0 Bye"
        async with server.client() as client:
            client.send("EHLO client.test")
            assert b"220" not in await client.rest()
        await server.quiet()


async def test_old_tls_is_refused(authority: Authority, tmp_path: pathlib.Path) -> None:
    issued = authority.issue(HOST)
    (tmp_path / "cert").write_bytes(issued.pem_chain())
    (tmp_path / "key").write_bytes(issued.pem_key())
    context = tls_context(tmp_path / "cert", tmp_path / "key")
    old = authority.client_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with running(tls=context, implicit_tls=True) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=old, server_hostname=HOST)
        async with server.client(ssl=authority.client_context(), server_hostname=HOST) as client:
            await client.hello()
        await server.quiet()


async def test_who_says_goodbye_with_the_handshake_is_no_event(
    authority: Authority, server_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
    async with running(tls=server_tls) as server, server.client() as client:
        await client.hello()
        await client.say("STARTTLS")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        client.write(outgoing.read())
        incoming.write(await client.some())
        tls.do_handshake()
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        client.write(outgoing.read())
        await server.quiet()
    assert caplog.messages == []


def test_files_that_are_no_certificate_with_its_key(authority: Authority, tmp_path: pathlib.Path) -> None:
    (tmp_path / "cert").write_bytes(authority.issue(HOST).pem_chain())
    (tmp_path / "key").write_bytes(authority.issue(HOST).pem_key())
    for cert, key in (("cert", "key"), ("key", "cert"), ("cert", "none")):
        with pytest.raises(InvalidArgument, match="no certificate with its key"):
            tls_context(tmp_path / cert, tmp_path / key)


async def test_commands_right_behind_the_handshake_are_all_read(authority: Authority, server_tls: ssl.SSLContext) -> None:
    async with running(tls=server_tls, limits={"idle_commands": 10**9}) as server, server.client() as client:
        await client.hello()
        await client.start_tls(authority.client_context())
        client.write(b"NOOP\r\n" * 8_000)
        assert await client.codes(8_000) == [250] * 8_000

"""Sessions with a well-behaved server: what is said, in how many writes, and what comes of it."""

from __future__ import annotations

import pytest

from rookery_server.gateway.outcomes import Verdict
from rookery_server.gateway.smtp_session import Credentials
from tests.gateway.messages import (
    ENCRYPTED,
    MESSAGE,
    OPPORTUNISTIC,
    chunks,
    envelope,
    open_session,
    session_with,
    try_once,
    verdicts,
)
from tests.gateway.scripted_server import EXTENSIONS, ScriptedServer, recipients_of

CHUNKING = (*EXTENSIONS, "CHUNKING")


async def test_with_pipelining_everything_before_the_message_is_one_write() -> None:
    async with ScriptedServer().running() as server, session_with(server.endpoint()) as session:
        outcomes = await session.send(envelope("ben@mx.test", "cleo@mx.test"), chunks())
    assert verdicts(outcomes) == [Verdict.ACCEPTED] * 2
    start = next(burst for burst in server.bursts if burst.startswith(b"MAIL"))
    assert start == (
        b"MAIL FROM:<anna@rookery.test> SIZE=%d\r\nRCPT TO:<ben@mx.test>\r\nRCPT TO:<cleo@mx.test>\r\nDATA\r\n" % len(MESSAGE)
    )
    assert server.messages == [MESSAGE]


async def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    async with ScriptedServer(extensions=["SIZE"]).running() as server:
        [outcome] = await try_once(server.endpoint())
    assert outcome.verdict is Verdict.ACCEPTED
    assert all(burst.count(b"\r\n") == 1 for burst in server.bursts)


async def test_an_outcome_tells_the_host_and_its_words() -> None:
    async with ScriptedServer().running() as server:
        [outcome] = await try_once(server.endpoint())
    assert (outcome.code, outcome.enhanced, outcome.text) == (250, "2.0.0", "queued as 4711")
    assert outcome.host == f"mx.test[127.0.0.1]:{server.port}"


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 18])
@pytest.mark.parametrize("extensions", [EXTENSIONS, CHUNKING, ()])
async def test_a_message_arrives_as_it_is_however_it_is_cut(size: int, extensions: tuple[str, ...]) -> None:
    message = b"Subject: dots\r\n\r\n" + b".\r\n..\r\n.x\r\nbare\nline\rends\r\n" * 10 + b"no end"
    arrived = message.replace(b"bare\nline\rends", b"bare\r\nline\r\nends") + b"\r\n"
    async with ScriptedServer(extensions=extensions).running() as server, session_with(server.endpoint()) as session:
        [outcome] = await session.send(envelope(message=message), chunks(message, size))
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.messages == [arrived]


async def test_where_chunks_are_offered_messages_go_in_chunks() -> None:
    message = MESSAGE + b"x" * 70 * 1000
    async with ScriptedServer(extensions=CHUNKING).running() as server, session_with(server.endpoint()) as session:
        await session.send(envelope(message=message), chunks(message, 10_000))
    spoken = [command.split(b" ")[0] for command in server.commands]
    assert spoken == [b"EHLO", b"MAIL", b"RCPT", *[b"BDAT"] * 8, b"QUIT"]
    assert server.commands[-2].endswith(b" LAST")


async def test_several_messages_take_one_session_and_no_reset() -> None:
    async with ScriptedServer().running() as server, session_with(server.endpoint()) as session:
        for number in range(3):
            outcomes = await session.send(envelope(f"ben{number}@mx.test"), chunks())
            assert verdicts(outcomes) == [Verdict.ACCEPTED]
    assert server.sessions == 1
    assert b"RSET" not in server.commands
    assert recipients_of(server.commands) == ["ben0@mx.test", "ben1@mx.test", "ben2@mx.test"]


@pytest.mark.parametrize("extensions", [EXTENSIONS, CHUNKING, ()])
async def test_a_refused_recipient_does_not_hold_up_the_others(extensions: tuple[str, ...]) -> None:
    answers = {"RCPT": [b"250 ok\r\n", b"550 5.1.1 no such user\r\n", b"450 4.2.0 greylisted\r\n"]}
    async with ScriptedServer(answers, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "nobody@mx.test", "cleo@mx.test")
    assert verdicts(outcomes) == [Verdict.ACCEPTED, Verdict.FAILED, Verdict.DEFERRED]
    assert [(o.code, o.enhanced) for o in outcomes] == [(250, "2.0.0"), (550, "5.1.1"), (450, "4.2.0")]
    assert not any(outcome.elsewhere for outcome in outcomes)
    assert server.messages == [MESSAGE]


@pytest.mark.parametrize("extensions", [EXTENSIONS, CHUNKING, ()])
async def test_a_message_that_nobody_may_have_is_not_sent_and_the_session_goes_on(extensions: tuple[str, ...]) -> None:
    answers = {
        "RCPT": [b"550 5.1.1 no such user\r\n"],
        "DATA": [b"554 5.5.1 no valid recipients\r\n"] if extensions is EXTENSIONS else [],
    }
    async with ScriptedServer(answers, extensions=extensions).running() as server, session_with(server.endpoint()) as session:
        [refused] = await session.send(envelope("nobody@mx.test"), chunks())
        [accepted] = await session.send(envelope("ben@mx.test"), chunks())
    assert (refused.verdict, refused.text, accepted.verdict) == (Verdict.FAILED, "no such user", Verdict.ACCEPTED)
    assert server.messages == [MESSAGE]
    assert server.commands.count(b"RSET") == 1
    assert server.commands.index(b"RSET") > server.commands.index(b"RCPT TO:<nobody@mx.test>")


async def test_a_server_that_wants_data_for_nobody_gets_an_empty_message() -> None:
    answers = {"RCPT": [b"550 5.1.1 no such user\r\n"], "end": [b"554 nobody\r\n"]}
    async with ScriptedServer(answers).running() as server, session_with(server.endpoint()) as session:
        [refused] = await session.send(envelope("nobody@mx.test"), chunks())
        [accepted] = await session.send(envelope("ben@mx.test"), chunks())
    assert (refused.code, accepted.verdict) == (550, Verdict.ACCEPTED)
    assert server.messages == [b"", MESSAGE]
    assert b"RSET" not in server.commands


@pytest.mark.parametrize(("line", "verdict"), [("552 5.2.2 mailbox full", "failed"), ("552 too many recipients", "deferred")])
async def test_too_many_recipients_is_for_later_and_a_full_mailbox_is_not(line: str, verdict: str) -> None:
    async with ScriptedServer({"RCPT": [b"250 ok\r\n", line.encode() + b"\r\n"]}).running() as server:
        first, second = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test")
    assert (first.verdict.value, second.verdict.value) == ("accepted", verdict)


async def test_a_server_without_ehlo_is_greeted_with_helo() -> None:
    async with ScriptedServer({"EHLO": b"500 what?\r\n"}).running() as server:
        [outcome] = await try_once(server.endpoint())
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.commands[:3] == [b"EHLO rookery.test", b"HELO rookery.test", b"MAIL FROM:<anna@rookery.test>"]


async def test_lmtp_answers_for_each_recipient() -> None:
    answers = {"RCPT": [b"250 ok\r\n", b"550 5.1.1 no\r\n", b"250 ok\r\n"], "end": [b"250 2.0.0 kept\r\n", b"452 4.2.2 full\r\n"]}
    for extensions in (EXTENSIONS, CHUNKING, ()):
        async with ScriptedServer(answers, lmtp=True, extensions=extensions).running() as server:
            outcomes = await try_once(server.endpoint(), "ben@mx.test", "nobody@mx.test", "cleo@mx.test")
        assert [outcome.code for outcome in outcomes] == [250, 550, 452]
        assert server.commands[0] == b"LHLO rookery.test"


async def test_eight_bit_bytes_are_announced_and_refused_where_they_can_not_go() -> None:
    message = "Subject: x\r\n\r\nGrüße\r\n".encode()
    async with ScriptedServer().running() as able, ScriptedServer(extensions=["PIPELINING"]).running() as unable:
        [accepted] = await try_once(able.endpoint(), message=message)
        [refused] = await try_once(unable.endpoint(), message=message)
    assert accepted.verdict is Verdict.ACCEPTED
    assert any(b"BODY=8BITMIME" in command for command in able.commands)
    assert (refused.verdict, refused.enhanced) == (Verdict.FAILED, "5.6.3")
    assert not any(command.startswith(b"MAIL") for command in unable.commands)


async def test_addresses_beyond_ascii_need_smtputf8() -> None:
    async with ScriptedServer().running() as able, ScriptedServer(extensions=["PIPELINING"]).running() as unable:
        [accepted] = await try_once(able.endpoint(), "bén@mx.test")
        outcomes = await try_once(unable.endpoint(), "bén@mx.test", "ben@bücher.test")
    assert accepted.verdict is Verdict.ACCEPTED
    assert any(command.endswith(b" SMTPUTF8") for command in able.commands)
    assert [(outcome.verdict, outcome.enhanced) for outcome in outcomes] == [(Verdict.FAILED, "5.6.7"), (Verdict.ACCEPTED, "2.0.0")]
    assert recipients_of(unable.commands) == ["ben@xn--bcher-kva.test"]


async def test_utf8_in_the_header_or_the_senders_address_needs_smtputf8() -> None:
    async with (
        ScriptedServer(extensions=["PIPELINING", "8BITMIME"]).running() as server,
        session_with(server.endpoint()) as session,
    ):
        [header] = await session.send(envelope(unicode_headers=True), chunks())
        [sender] = await session.send(envelope(sender="änna@rookery.test"), chunks())
    assert [header.enhanced, sender.enhanced] == ["5.6.9", "5.6.7"]


async def test_a_message_above_the_hosts_limit_is_not_sent() -> None:
    async with ScriptedServer(extensions=["PIPELINING", "SIZE 50"]).running() as server:
        [outcome] = await try_once(server.endpoint())
    assert (outcome.verdict, outcome.enhanced) == (Verdict.FAILED, "5.3.4")


async def test_an_address_that_would_break_out_of_its_command_is_not_sent() -> None:
    evil = "ben@mx.test>\r\nRCPT TO:<eve@mx.test"
    async with ScriptedServer().running() as server, session_with(server.endpoint()) as session:
        outcomes = await session.send(envelope(evil, "cleo@mx.test"), chunks())
        [sender] = await session.send(envelope(sender="anna@rookery.test> SIZE=1\r\nRSET"), chunks())
    assert [(outcome.verdict, outcome.enhanced) for outcome in outcomes] == [(Verdict.FAILED, "5.1.3"), (Verdict.ACCEPTED, "2.0.0")]
    assert sender.enhanced == "5.1.7"
    assert recipients_of(server.commands) == ["cleo@mx.test"]


async def test_the_null_sender_is_written_as_such() -> None:
    async with ScriptedServer(extensions=()).running() as server, session_with(server.endpoint()) as session:
        await session.send(envelope(sender=""), chunks())
    assert b"MAIL FROM:<>" in server.commands


async def test_signing_in_with_plain() -> None:
    async with ScriptedServer(extensions=["AUTH PLAIN LOGIN"]).running() as server:
        session = await open_session(server.endpoint(), credentials=Credentials("anna", "geheim"))
        await session.quit()
    assert b"AUTH PLAIN AGFubmEAZ2VoZWlt" in server.commands


async def test_signing_in_with_login_where_there_is_no_plain() -> None:
    answers = {"AUTH": [b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"235 2.7.0 welcome\r\n"]}
    async with ScriptedServer(answers, extensions=["AUTH=LOGIN"]).running() as server:
        session = await open_session(server.endpoint(), credentials=Credentials("anna", "geheim"))
        await session.quit()
    assert server.commands[1:4] == [b"AUTH LOGIN", b"YW5uYQ==", b"Z2VoZWlt"]


async def test_a_password_does_not_show_itself() -> None:
    assert "geheim" not in repr(Credentials("anna", "geheim"))


async def test_the_hosts_extensions_count_anew_after_starttls(authority) -> None:
    server = ScriptedServer({"EHLO again": b"250-mx.test\r\n250 8BITMIME\r\n"}, ["STARTTLS", "PIPELINING"])
    server.tls = authority.issue("mx.test").server_context()
    async with server.running(), session_with(server.endpoint(), ENCRYPTED) as session:
        assert session.encryption.startswith("TLSv1.3 ")
        assert (session.extensions.pipelining, session.extensions.eight_bit) == (False, True)
        [outcome] = await session.send(envelope(), chunks())
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.encrypted == [True]


async def test_a_large_message_over_tls_arrives_whole(authority) -> None:
    message = b"Subject: large\r\n\r\n" + b"0123456789" * 7 + b"\r\n" + (b"x" * 70 + b"\r\n") * 50_000
    server = ScriptedServer(extensions=[*CHUNKING[:1], "CHUNKING", "STARTTLS"], tls=authority.issue("mx.test").server_context())
    async with server.running(), session_with(server.endpoint(), OPPORTUNISTIC) as session:
        [outcome] = await session.send(envelope(message=message), chunks(message))
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.messages == [message]

"""Sessions with a server that does it wrong, at each step in each way."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from rookery_server.gateway.outcomes import DeliveryStopped, Verdict
from rookery_server.gateway.smtp_connection import ConnectionBroken, SmtpConnection
from rookery_server.gateway.smtp_session import Credentials
from tests.gateway.messages import (
    ENCRYPTED,
    HASTY,
    MESSAGE,
    OPPORTUNISTIC,
    chunks,
    envelope,
    open_session,
    session_with,
    try_once,
    verdicts,
)
from tests.gateway.scripted_server import EXTENSIONS, HANG_UP, SILENCE, STEPS, ScriptedServer
from tests.support.mail import until

WAYS = pytest.mark.parametrize("extensions", [EXTENSIONS, (*EXTENSIONS, "CHUNKING"), ()], ids=["pipelining", "chunking", "plain"])
OF_THE_HOST = ("greeting", "EHLO")
ENDLESS = b"250-and so on\r\n" * 5000
FLOOD = b"250 ok\r\n" * 20_000


# In chunks there is no DATA.
EACH_STEP = pytest.mark.parametrize(
    ("step", "extensions"), [(step, way) for way in WAYS.args[1] for step in STEPS if step != "DATA" or "CHUNKING" not in way]
)


@EACH_STEP
async def test_a_passing_refusal_puts_the_message_off(step: str, extensions: tuple[str, ...]) -> None:
    async with ScriptedServer({step: b"451 4.3.5 not today\r\n"}, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test")
    assert {(o.verdict, o.code, o.enhanced, o.text, o.elsewhere) for o in outcomes} == {
        (Verdict.DEFERRED, 451, "4.3.5", "not today", step in OF_THE_HOST)
    }


@EACH_STEP
async def test_a_refusal_for_good_ends_the_recipient(step: str, extensions: tuple[str, ...]) -> None:
    answers = {step: b"554 5.7.1 go away\r\n", "HELO": b"554 5.7.1 go away\r\n"}
    async with ScriptedServer(answers, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test")
    assert {(o.verdict, o.code, o.enhanced, o.text, o.elsewhere) for o in outcomes} == {
        (Verdict.FAILED, 554, "5.7.1", "go away", step in OF_THE_HOST)
    }


@EACH_STEP
async def test_a_host_that_is_closing_is_left_for_another(step: str, extensions: tuple[str, ...]) -> None:
    async with ScriptedServer({step: b"421 4.3.2 closing\r\n"}, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test")
    assert {(o.verdict, o.code, o.elsewhere) for o in outcomes} == {(Verdict.DEFERRED, 421, True)}


@EACH_STEP
@pytest.mark.parametrize(
    "fault",
    [SILENCE, HANG_UP, b"what?\r\n", b"250-half a reply\r\n", ENDLESS, b"2" * 100_000, b"150 wait\r\n", b"\xff\xfe\0\r\n"],
    ids=["silence", "hang up", "garbage", "half", "endless", "long line", "1xx", "binary"],
)
async def test_a_broken_connection_puts_the_message_off(step: str, fault: bytes, extensions: tuple[str, ...]) -> None:
    async with ScriptedServer({step: fault}, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test", timeouts=HASTY)
    if step == "end":
        assert verdicts(outcomes) == [Verdict.AMBIGUOUS] * 2
        assert server.messages == [MESSAGE]
    else:
        assert {(o.verdict, o.elsewhere) for o in outcomes} == {(Verdict.DEFERRED, True)}
        assert server.messages == []
    assert all(outcome.enhanced in {"4.4.2", "4.5.0"} and outcome.host for outcome in outcomes)


@WAYS
async def test_what_was_settled_before_the_loss_stays_settled(extensions: tuple[str, ...]) -> None:
    answers = {"RCPT": [b"550 5.1.1 no such user\r\n", HANG_UP]}
    async with ScriptedServer(answers, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "nobody@mx.test", "ben@mx.test", "cleo@mx.test")
    assert verdicts(outcomes) == [Verdict.FAILED, Verdict.DEFERRED, Verdict.DEFERRED]


@WAYS
async def test_after_the_end_of_the_message_only_those_who_were_accepted_are_in_doubt(extensions: tuple[str, ...]) -> None:
    answers = {"RCPT": [b"550 5.1.1 no such user\r\n"], "end": HANG_UP}
    async with ScriptedServer(answers, extensions=extensions).running() as server:
        outcomes = await try_once(server.endpoint(), "nobody@mx.test", "ben@mx.test")
    assert verdicts(outcomes) == [Verdict.FAILED, Verdict.AMBIGUOUS]
    assert not outcomes[1].elsewhere


async def test_in_lmtp_the_recipients_without_an_answer_are_in_doubt() -> None:
    async with ScriptedServer({"end": [b"250 2.0.0 kept\r\n", HANG_UP]}, lmtp=True).running() as server:
        outcomes = await try_once(server.endpoint(), "ben@mx.test", "cleo@mx.test")
    assert verdicts(outcomes) == [Verdict.ACCEPTED, Verdict.AMBIGUOUS]


async def test_replies_that_nobody_asked_for_end_the_session() -> None:
    async with ScriptedServer({"EHLO": b"250-mx.test\r\n250 PIPELINING\r\n250 smuggled\r\n"}).running() as server:
        [outcome] = await try_once(server.endpoint())
    assert (outcome.verdict, outcome.enhanced, outcome.elsewhere) == (Verdict.DEFERRED, "4.5.0", True)
    assert server.messages == []


async def test_an_answer_to_the_end_that_comes_before_the_end_does_not_count() -> None:
    async with ScriptedServer({"DATA": b"354 go\r\n250 2.0.0 got it already\r\n"}).running() as server:
        [outcome] = await try_once(server.endpoint())
    assert (outcome.verdict, outcome.enhanced) == (Verdict.DEFERRED, "4.5.0")
    assert server.messages == []


async def test_a_flood_of_replies_ends_the_session() -> None:
    async with ScriptedServer({"greeting": FLOOD}).running() as server:
        [outcome] = await try_once(server.endpoint(), timeouts=HASTY)
    assert (outcome.verdict, outcome.enhanced) == (Verdict.DEFERRED, "4.5.0")


async def test_a_flood_of_long_replies_that_nobody_reads_takes_little_room() -> None:
    flood = ((b"250-" + b"x" * 2000 + b"\r\n") * 100 + b"250 and again\r\n") * 100
    async with ScriptedServer({"greeting": b"220 hello\r\n" + flood}).running() as server:
        options = {"tls": None, "server_name": "", "connect_seconds": 5, "tls_seconds": 5}
        connection = await SmtpConnection.open("127.0.0.1", server.port, **options)
        await connection.drained(5)

        async def given_up() -> bool:
            return not connection.quiet and not connection.has_reply()

        await until(given_up)
        with pytest.raises(ConnectionBroken, match="without end"):
            await connection.reply(5)


async def test_replies_of_any_number_are_fine_as_long_as_they_are_asked_for() -> None:
    long_one = (b"250-" + b"x" * 2000 + b"\r\n") * 100 + b"250 taken\r\n"
    async with ScriptedServer({"end": long_one}).running() as server, session_with(server.endpoint()) as session:
        for _ in range(10):
            [outcome] = await session.send(envelope(), chunks())
            assert outcome.verdict is Verdict.ACCEPTED


async def test_a_session_that_the_host_has_closed_or_spoken_in_is_not_usable() -> None:
    answers = {"end": b"250 2.0.0 queued\r\n421 4.4.2 idle for too long\r\n"}
    async with ScriptedServer(answers).running() as server, session_with(server.endpoint()) as session:
        [first] = await session.send(envelope(), chunks())
        assert not session.usable
        [second] = await session.send(envelope(), chunks())
    assert first.verdict is Verdict.ACCEPTED
    assert (second.verdict, second.elsewhere) == (Verdict.DEFERRED, True)
    assert "idle for too long" in second.text


async def test_a_host_that_reads_nothing_is_given_up_and_the_message_is_not_in_doubt() -> None:
    message = MESSAGE + b"x" * 30_000_000
    async with ScriptedServer(extensions=["PIPELINING"], read_slowly=True).running() as server:
        [outcome] = await try_once(server.endpoint(), message=message, timeouts=HASTY)
    assert (outcome.verdict, outcome.elsewhere) == (Verdict.DEFERRED, True)


async def test_a_host_that_refuses_a_message_in_its_midst_is_heard() -> None:
    message = MESSAGE + b"x" * 30_000_000
    refusal = b"354 go\r\n552 5.3.4 too much\r\n"
    async with ScriptedServer({"DATA": refusal}, ["PIPELINING"], read_slowly=True).running() as server:
        [outcome] = await try_once(server.endpoint(), message=message)
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, 552)


@pytest.mark.parametrize("refused", [1, 2, 5])
async def test_a_refused_chunk_refuses_the_message_and_the_session_goes_on(refused: int) -> None:
    message = MESSAGE + b"x" * 70 * 1000
    answers = {"BDAT": [b"250 ok\r\n"] * (refused - 1) + [b"552 5.3.4 too much\r\n"]}
    async with ScriptedServer(answers, (*EXTENSIONS, "CHUNKING")).running() as server, session_with(server.endpoint()) as session:
        [outcome] = await session.send(envelope(message=message), chunks(message, 10_000))
        [next_one] = await session.send(envelope(), chunks())
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, 552)
    assert next_one.verdict is Verdict.ACCEPTED
    assert b"RSET" in server.commands


async def test_a_chunk_that_was_refused_leaves_nothing_in_doubt_when_the_host_hangs_up_then() -> None:
    message = MESSAGE + b"x" * 30_000
    answers = {"BDAT": b"552 5.3.4 too much\r\n", "end": HANG_UP}
    async with ScriptedServer(answers, (*EXTENSIONS, "CHUNKING")).running() as server, session_with(server.endpoint()) as session:
        [outcome] = await session.send(envelope(message=message), chunks(message, 16_000))
        assert not session.usable
    assert (outcome.verdict, outcome.code) == (Verdict.FAILED, 552)


@pytest.mark.parametrize("name", [b"rookery.test", b"ROOKERY.test says hello"])
async def test_a_host_that_calls_itself_as_this_server_does_is_this_server(name: bytes) -> None:
    async with ScriptedServer({"EHLO": b"250-" + name + b"\r\n250 SIZE\r\n"}).running() as server:
        with pytest.raises(DeliveryStopped, match="would come back") as stopped:
            await open_session(server.endpoint())
    assert (stopped.value.outcome.verdict, stopped.value.outcome.enhanced) == (Verdict.FAILED, "5.4.6")


async def test_what_the_store_raises_comes_out_and_the_message_does_not_arrive() -> None:
    class StoreBrokenError(Exception):
        pass

    async def broken():
        yield MESSAGE
        raise StoreBrokenError

    for extensions in (EXTENSIONS, (*EXTENSIONS, "CHUNKING")):
        async with ScriptedServer(extensions=extensions).running() as server, session_with(server.endpoint()) as session:
            with pytest.raises(StoreBrokenError):
                await session.send(envelope(), broken())
            assert not session.usable
        assert server.messages == []


async def test_a_delivery_that_is_cancelled_cuts_its_connection() -> None:
    async with ScriptedServer({"end": SILENCE}).running() as server, session_with(server.endpoint()) as session:
        delivery = asyncio.create_task(session.send(envelope(), chunks()))
        await server.message_came.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        assert not session.usable


async def test_a_port_where_nobody_listens_is_told() -> None:
    async with ScriptedServer().running() as server:
        endpoint = server.endpoint()
    [outcome] = await try_once(endpoint)
    assert (outcome.verdict, outcome.enhanced, outcome.elsewhere) == (Verdict.DEFERRED, "4.4.1", True)
    assert outcome.host == str(endpoint)


async def test_a_greylister_lets_the_second_attempt_pass() -> None:
    async with ScriptedServer({"RCPT": [b"450 4.7.1 greylisted, try again\r\n"]}).running() as server:
        [first] = await try_once(server.endpoint())
        [second] = await try_once(server.endpoint())
    assert [(first.verdict, first.elsewhere), (second.verdict, second.elsewhere)] == [
        (Verdict.DEFERRED, False),
        (Verdict.ACCEPTED, False),
    ]


@pytest.mark.parametrize("refusal", [b"535 5.7.8 wrong password\r\n", b"454 4.7.0 later\r\n"])
async def test_a_refused_sign_in_lets_mail_wait(refusal: bytes) -> None:
    async with ScriptedServer({"AUTH": refusal}, extensions=["AUTH PLAIN"]).running() as server:
        with pytest.raises(DeliveryStopped) as stopped:
            await open_session(server.endpoint(), credentials=Credentials("anna", "wrong"))
    assert (stopped.value.outcome.verdict, stopped.value.outcome.enhanced) == (Verdict.DEFERRED, "4.7.0")


@pytest.mark.parametrize("mechanisms", [[], ["AUTH GSSAPI CRAM-MD5"]])
async def test_a_host_without_a_known_way_to_sign_in_gets_no_mail(mechanisms: list[str]) -> None:
    async with ScriptedServer(extensions=mechanisms).running() as server:
        with pytest.raises(DeliveryStopped, match="no way to sign in"):
            await open_session(server.endpoint(), credentials=Credentials("anna", "geheim"))


async def test_starttls_that_is_refused_is_done_without_where_that_is_allowed() -> None:
    for answer in (b"454 4.7.0 not available\r\n", b"554 never\r\n"):
        async with ScriptedServer({"STARTTLS": answer}, [*EXTENSIONS, "STARTTLS"]).running() as server:
            async with session_with(server.endpoint(), OPPORTUNISTIC) as session:
                [outcome] = await session.send(envelope(), chunks())
            with pytest.raises(DeliveryStopped) as stopped:
                await open_session(server.endpoint(), security=ENCRYPTED)
        assert outcome.verdict is Verdict.ACCEPTED
        assert server.sessions == 2
        assert (stopped.value.outcome.verdict, stopped.value.outcome.enhanced) == (Verdict.DEFERRED, "4.7.4")


async def test_a_host_that_does_not_offer_encryption_gets_no_mail_that_demands_it() -> None:
    async with ScriptedServer().running() as server:
        with pytest.raises(DeliveryStopped, match="offers no encryption") as stopped:
            await open_session(server.endpoint(), security=ENCRYPTED)
    assert stopped.value.outcome.enhanced == "4.7.4"


@pytest.mark.parametrize("handshake", [b"220 go\r\n", b"220 go\r\n500 no really not\r\n"])
async def test_a_failed_handshake_is_followed_by_plain_text_where_that_is_allowed(handshake: bytes) -> None:
    """The server says that it goes on encrypted, and then does not; or smuggles a reply into what comes after."""

    server = ScriptedServer({"STARTTLS": handshake}, [*EXTENSIONS, "STARTTLS"])
    server.tls = _refusing_context()
    async with server.running():
        async with session_with(server.endpoint(), OPPORTUNISTIC) as session:
            assert session.encryption == ""
            [outcome] = await session.send(envelope(), chunks())
        with pytest.raises(DeliveryStopped) as stopped:
            await open_session(server.endpoint(), security=ENCRYPTED)
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.encrypted == [False]
    assert (stopped.value.outcome.enhanced, stopped.value.outcome.elsewhere) == ("4.7.5", True)


def _refusing_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds


async def test_what_is_smuggled_in_behind_the_answer_to_starttls_is_refused(authority) -> None:
    injected = b"220 go ahead\r\n250-mx.test\r\n250 AUTH PLAIN\r\n"
    server = ScriptedServer({"STARTTLS": injected}, [*EXTENSIONS, "STARTTLS"], tls=authority.issue("mx.test").server_context())
    async with server.running():
        with pytest.raises(DeliveryStopped, match="more than its answer") as stopped:
            await open_session(server.endpoint(), security=ENCRYPTED)
    assert stopped.value.outcome.verdict is Verdict.DEFERRED
    assert server.commands == [b"EHLO rookery.test", b"STARTTLS"]


async def test_half_a_reply_behind_the_answer_to_starttls_is_refused_too(authority) -> None:
    server = ScriptedServer({"STARTTLS": b"220 go ahead\r\n25"}, ["STARTTLS"], tls=authority.issue("mx.test").server_context())
    async with server.running():
        with pytest.raises(DeliveryStopped, match="more than its answer"):
            await open_session(server.endpoint(), security=ENCRYPTED)


async def test_a_handshake_that_does_not_end_is_given_up(authority) -> None:
    """The server says that it goes on encrypted, and then nothing more."""
    server = ScriptedServer(
        {"STARTTLS": b"220 go ahead\r\n"}, ["STARTTLS"], tls=authority.issue("mx.test").server_context(), mute=True
    )
    async with server.running():
        with pytest.raises(DeliveryStopped, match="no TLS handshake") as stopped:
            await open_session(server.endpoint(), security=ENCRYPTED, timeouts=HASTY)
    assert stopped.value.outcome.enhanced == "4.7.5"

"""Sessions with Postfix's smtp-sink, made to fail at each step."""

from __future__ import annotations

import asyncio

import pytest

from rookery_server.gateway.outcomes import Verdict
from rookery_server.gateway.smtp_session import Endpoint
from tests.gateway.messages import HASTY, MESSAGE, chunks, envelope, session_with, try_once, verdicts
from tests.gateway.postfix import Sink, running_sink

COMMANDS = ["CONNECT", "EHLO,HELO", "MAIL", "RCPT", "DATA", "."]


def endpoint(sink: Sink, *, lmtp: bool = False) -> Endpoint:
    return Endpoint("sink.test", "127.0.0.1", sink.port, lmtp)


@pytest.mark.parametrize("options", [(), ("-p",), ("-e",), ("-E", "-8")], ids=["all", "no pipelining", "helo", "few extensions"])
async def test_messages_arrive_whatever_the_server_can(options: tuple[str, ...]) -> None:
    message = MESSAGE + b".dot\r\n..\r\n" + b"x" * 900 + b"\r\n" * 1000
    with running_sink(*options) as sink:
        async with session_with(endpoint(sink)) as session:
            for _ in range(3):
                outcomes = await session.send(envelope("ben@mx.test", "cleo@mx.test", message=message), chunks(message, 333))
                assert verdicts(outcomes) == [Verdict.ACCEPTED] * 2
        found = sink.messages()
    assert len(found) == 3
    assert all(dump.replace(b"\r\n", b"\n").rstrip().endswith(message.replace(b"\r\n", b"\n").rstrip()) for dump in found)


@pytest.mark.parametrize("command", COMMANDS)
async def test_soft_rejects_put_the_message_off(command: str) -> None:
    with running_sink("-r", command, keep=False) as sink:
        outcomes = await try_once(endpoint(sink), "ben@mx.test", "cleo@mx.test")
    assert {(outcome.verdict, outcome.code, outcome.enhanced) for outcome in outcomes} == {(Verdict.DEFERRED, 450, "4.3.0")}


@pytest.mark.parametrize("command", COMMANDS)
async def test_hard_rejects_end_the_recipient(command: str) -> None:
    with running_sink("-f", command, keep=False) as sink:
        outcomes = await try_once(endpoint(sink), "ben@mx.test", "cleo@mx.test")
    assert {(outcome.verdict, outcome.code, outcome.enhanced) for outcome in outcomes} == {(Verdict.FAILED, 500, "5.3.0")}


@pytest.mark.parametrize("command", COMMANDS)
async def test_disconnects_put_the_message_off_or_leave_it_in_doubt(command: str) -> None:
    with running_sink("-q", command, keep=False) as sink:
        outcomes = await try_once(endpoint(sink), "ben@mx.test", "cleo@mx.test")
    assert set(verdicts(outcomes)) == {Verdict.AMBIGUOUS if command == "." else Verdict.DEFERRED}


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_closing_server_is_left_for_another(command: str) -> None:
    with running_sink("-Q", command, keep=False) as sink:
        outcomes = await try_once(endpoint(sink), "ben@mx.test", "cleo@mx.test")
    assert {(outcome.verdict, outcome.code, outcome.elsewhere) for outcome in outcomes} == {(Verdict.DEFERRED, 421, True)}


async def test_a_server_that_aborts_in_the_midst_of_a_message_is_heard_unless_its_answer_is_lost_with_the_connection() -> None:
    message = MESSAGE + b"x" * 30_000_000
    with running_sink("-A", "0", keep=False) as sink:
        [outcome] = await try_once(endpoint(sink), message=message)
    assert (outcome.verdict, outcome.code) in {(Verdict.FAILED, 550), (Verdict.DEFERRED, 0)}


async def test_a_slow_answer_to_the_end_leaves_the_message_in_doubt() -> None:
    with running_sink("-W", ".:5", keep=False) as sink:
        [outcome] = await try_once(endpoint(sink), timeouts=HASTY)
    assert outcome.verdict is Verdict.AMBIGUOUS


async def test_lmtp_gives_each_recipient_an_answer() -> None:
    with running_sink("-L") as sink:
        outcomes = await try_once(endpoint(sink, lmtp=True), "ben@mx.test", "cleo@mx.test")
        assert len(sink.messages()) == 1
    assert verdicts(outcomes) == [Verdict.ACCEPTED] * 2


async def test_several_sessions_at_once_share_a_server() -> None:
    with running_sink() as sink:

        async def some(number: int) -> None:
            async with session_with(endpoint(sink)) as session:
                for _ in range(20):
                    outcomes = await session.send(envelope(f"ben{number}@mx.test"), chunks())
                    assert verdicts(outcomes) == [Verdict.ACCEPTED]

        await asyncio.gather(*(some(number) for number in range(5)))
        assert len(sink.messages()) == 100

"""A whole delivery: DNS, hosts one after the other, sessions used again."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest

from rookery_server.gateway.connections import ConnectionPool
from rookery_server.gateway.dane import Dane
from rookery_server.gateway.delivery import Deliverer, feedback_of
from rookery_server.gateway.destinations import Feedback
from rookery_server.gateway.mta_sts import MtaSts
from rookery_server.gateway.outcomes import Outcome, Verdict
from rookery_server.gateway.policy_fetching import HttpsPolicyFetcher
from rookery_server.gateway.routing import OwnHost, Router, Smarthost
from rookery_server.gateway.security import Level, unverified_context
from rookery_server.gateway.smtp_session import Credentials
from rookery_server.gateway.tls_policy import TlsPolicies
from tests.gateway.dns_stub import DnsStub
from tests.gateway.messages import HASTY, MESSAGE, chunks, envelope, verdicts
from tests.gateway.scripted_server import EXTENSIONS, HANG_UP, SILENCE, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from rookery_server.gateway.resolver import Resolver
    from tests.gateway.certificates import Authority
    from tests.support.fakes import FakeClock

TABLE = {
    ("example.test", "MX"): ["10 a.test.", "20 b.test."],
    ("a.test", "A"): ["127.0.0.1"],
    ("b.test", "A"): ["127.0.0.2"],
}


class Out:
    """A deliverer with all its parts, for hosts that listen on one port of several loopback addresses."""

    def __init__(
        self,
        resolver: Resolver,
        clock: FakeClock,
        port: int,
        *,
        verified: ssl.SSLContext | None = None,
        levels: Mapping[str, Level] | None = None,
        smarthosts: Mapping[str, Smarthost] | None = None,
    ) -> None:
        self.pool = ConnectionPool()
        context = verified or ssl.create_default_context()
        own = OwnHost(frozenset({"rookery.test"}), networks=())
        router = Router(resolver, own, lambda: 0.5, smarthosts, port=port)
        sts = MtaSts(resolver, HttpsPolicyFetcher(resolver, context, port=1), clock)
        dane = Dane(resolver, unverified_context(), clock)
        policies = TlsPolicies(unverified_context(), context, dane, sts, levels)
        self._deliverer = Deliverer(router, policies, self.pool, clock, own_name="rookery.test", timeouts=HASTY)

    async def deliver(self, *recipients: str, domain: str = "example.test") -> tuple[Outcome, ...]:
        return await self._deliverer.deliver(domain, envelope(*(recipients or [f"ben@{domain}"])), chunks)


@contextlib.asynccontextmanager
async def two_hosts(first: ScriptedServer, second: ScriptedServer) -> AsyncIterator[int]:
    """``a.test`` and ``b.test``, on one port."""
    async with first.running("127.0.0.1"), second.running("127.0.0.2", first.port):
        yield first.port


@pytest.fixture
async def names() -> AsyncIterator[DnsStub]:
    async with DnsStub(dict(TABLE)).running() as stub:
        yield stub


async def test_the_best_host_gets_the_mail(names: DnsStub, clock: FakeClock) -> None:
    first, second = ScriptedServer(), ScriptedServer()
    async with two_hosts(first, second) as port:
        out = Out(names.resolver(), clock, port)
        [outcome] = await out.deliver()
        await out.pool.close()
    assert (outcome.verdict, outcome.host) == (Verdict.ACCEPTED, f"a.test[127.0.0.1]:{port}")
    assert (first.messages, second.messages) == ([MESSAGE], [])
    assert feedback_of((outcome,)) is Feedback.ALIVE


@pytest.mark.parametrize(
    "answers",
    [
        {"greeting": HANG_UP},
        {"greeting": SILENCE},
        {"greeting": b"554 5.3.2 not here\r\n"},
        {"EHLO": b"421 4.3.2 closing\r\n"},
        {"MAIL": b"421 4.3.2 closing\r\n"},
        {"RCPT": HANG_UP},
        {"DATA": b"nonsense\r\n"},
    ],
)
async def test_the_next_host_is_tried_when_one_is_broken(names: DnsStub, clock: FakeClock, answers: dict[str, bytes]) -> None:
    first, second = ScriptedServer(answers), ScriptedServer()
    async with two_hosts(first, second) as port:
        out = Out(names.resolver(), clock, port)
        [outcome] = await out.deliver()
        await out.pool.close()
    assert (outcome.verdict, outcome.host) == (Verdict.ACCEPTED, f"b.test[127.0.0.2]:{port}")
    assert (first.messages, second.messages) == ([], [MESSAGE])


@pytest.mark.parametrize("answers", [{"RCPT": b"550 5.1.1 no such user\r\n"}, {"MAIL": b"451 4.3.0 later\r\n"}, {"end": HANG_UP}])
async def test_the_next_host_is_not_asked_about_what_one_has_settled(
    names: DnsStub, clock: FakeClock, answers: dict[str, bytes]
) -> None:
    first, second = ScriptedServer(answers), ScriptedServer()
    async with two_hosts(first, second) as port:
        out = Out(names.resolver(), clock, port)
        [outcome] = await out.deliver()
        await out.pool.close()
    assert outcome.verdict is not Verdict.ACCEPTED
    assert second.sessions == 0


async def test_only_the_recipients_that_are_left_go_to_the_next_host(names: DnsStub, clock: FakeClock) -> None:
    first, second = ScriptedServer({"RCPT": [b"550 5.1.1 no such user\r\n", HANG_UP]}), ScriptedServer()
    async with two_hosts(first, second) as port:
        out = Out(names.resolver(), clock, port)
        outcomes = await out.deliver("nobody@example.test", "ben@example.test", "cleo@example.test")
        await out.pool.close()
    assert verdicts(outcomes) == [Verdict.FAILED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert [command for command in second.commands if command.startswith(b"RCPT")] == [
        b"RCPT TO:<ben@example.test>",
        b"RCPT TO:<cleo@example.test>",
    ]


async def test_if_one_host_is_uncertain_no_other_ends_the_recipient(names: DnsStub, clock: FakeClock) -> None:
    refusing, broken = b"554 5.3.2 no mail here\r\n", HANG_UP
    for first, second, expected in [
        (refusing, broken, Verdict.DEFERRED),
        (broken, refusing, Verdict.DEFERRED),
        (refusing, refusing, Verdict.FAILED),
    ]:
        async with two_hosts(ScriptedServer({"greeting": first}), ScriptedServer({"greeting": second})) as port:
            [outcome] = await Out(names.resolver(), clock, port).deliver()
        assert outcome.verdict is expected
        assert feedback_of((outcome,)) is Feedback.FAULT


async def test_messages_to_one_host_share_a_session(names: DnsStub, clock: FakeClock) -> None:
    names.table[("other.test", "MX")] = ["10 a.test."]
    async with ScriptedServer().running() as server:
        out = Out(names.resolver(), clock, server.port)
        for domain in ("example.test", "other.test", "example.test"):
            assert verdicts(await out.deliver(domain=domain)) == [Verdict.ACCEPTED]
        await out.pool.close()
    assert (server.sessions, len(server.messages)) == (1, 3)


async def test_a_waiting_session_that_has_ended_is_replaced(names: DnsStub, clock: FakeClock) -> None:
    server = ScriptedServer({"MAIL": [b"250 ok\r\n", HANG_UP]})
    async with server.running():
        out = Out(names.resolver(), clock, server.port)
        for _ in range(2):
            assert verdicts(await out.deliver()) == [Verdict.ACCEPTED]
        await out.pool.close()
    assert (server.sessions, len(server.messages)) == (2, 2)


async def test_an_address_that_was_silent_comes_last_for_a_while(names: DnsStub, clock: FakeClock) -> None:
    names.table[("a.test", "A")] = ["127.0.0.3"]
    server = ScriptedServer()
    async with server.running("127.0.0.2"):
        out = Out(names.resolver(), clock, server.port)
        first = out._deliverer._endpoints
        assert verdicts(await out.deliver()) == [Verdict.ACCEPTED]
        route = await out._deliverer._router.route("example.test")
        assert [endpoint.name for _, endpoint in first(route)] == ["b.test", "a.test"]
        clock.advance(seconds=600)
        assert [endpoint.name for _, endpoint in first(route)] == ["a.test", "b.test"]
        await out.pool.close()


async def test_what_routing_finds_out_concerns_all_recipients(names: DnsStub, clock: FakeClock) -> None:
    names.table[("null.test", "MX")] = ["0 ."]
    names.failing.add(("mute.test", "MX"))
    out = Out(names.resolver(), clock, 1)
    refused = await out.deliver("ben@null.test", "cleo@null.test", domain="null.test")
    assert [(outcome.verdict, outcome.enhanced) for outcome in refused] == [(Verdict.FAILED, "5.1.10")] * 2
    assert feedback_of(refused) is Feedback.ALIVE
    put_off = await out.deliver("ben@mute.test", domain="mute.test")
    assert (put_off[0].verdict, feedback_of(put_off)) == (Verdict.DEFERRED, Feedback.FAULT)


async def test_a_host_with_the_wrong_certificate_is_passed_over(names: DnsStub, clock: FakeClock, authority: Authority) -> None:
    wrong = ScriptedServer(extensions=[*EXTENSIONS, "STARTTLS"], tls=authority.issue("evil.test").server_context())
    right = ScriptedServer(extensions=[*EXTENSIONS, "STARTTLS"], tls=authority.issue("b.test").server_context())
    async with two_hosts(wrong, right) as port:
        levels = {"example.test": Level.VERIFY}
        out = Out(names.resolver(), clock, port, verified=authority.client_context(), levels=levels)
        [outcome] = await out.deliver()
        await out.pool.close()
    assert (outcome.verdict, wrong.messages, right.encrypted) == (Verdict.ACCEPTED, [], [True])


async def test_a_smarthost_is_signed_in_to(names: DnsStub, clock: FakeClock, authority: Authority) -> None:
    names.table[("smart.test", "A")] = ["127.0.0.1"]
    certificate = authority.issue("smart.test").server_context()
    server = ScriptedServer(extensions=["PIPELINING", "AUTH PLAIN"], tls=certificate, immediate_tls=True)
    async with server.running():
        credentials = Credentials("anna", "geheim")
        smarthost = Smarthost("smart.test", server.port, Level.VERIFY, immediate_tls=True, credentials=credentials)
        out = Out(names.resolver(), clock, 1, verified=authority.client_context(), smarthosts={"": smarthost})
        [outcome] = await out.deliver("ben@elsewhere.test", domain="elsewhere.test")
        await out.pool.close()
    assert outcome.verdict is Verdict.ACCEPTED
    assert server.encrypted == [True]
    assert any(command.startswith(b"AUTH PLAIN ") for command in server.commands)


async def test_what_the_store_raises_comes_out_of_a_delivery(names: DnsStub, clock: FakeClock) -> None:
    async def broken():
        yield MESSAGE
        raise RuntimeError("the blob is damaged")

    async with ScriptedServer().running() as server:
        out = Out(names.resolver(), clock, server.port)
        with pytest.raises(RuntimeError, match="damaged"):
            await out._deliverer.deliver("example.test", envelope("ben@example.test"), broken)
        assert len(out.pool) == 0
        await out.pool.close()
    assert server.messages == []


async def test_mail_that_comes_back_ends_only_where_no_other_host_is_uncertain(names: DnsStub, clock: FakeClock) -> None:
    ourselves = b"250 rookery.test\r\n"
    for first, second, expected in [
        ({"greeting": HANG_UP}, {"EHLO": ourselves}, Verdict.DEFERRED),
        ({"EHLO": ourselves}, {"EHLO": ourselves}, Verdict.FAILED),
        ({"EHLO": ourselves}, {}, Verdict.ACCEPTED),
    ]:
        async with two_hosts(ScriptedServer(first), ScriptedServer(second)) as port:
            out = Out(names.resolver(), clock, port)
            [outcome] = await out.deliver()
            await out.pool.close()
        assert outcome.verdict is expected


async def test_a_smarthost_may_be_another_server_on_this_machine(names: DnsStub, clock: FakeClock) -> None:
    async with ScriptedServer({"EHLO": b"250 rookery.test\r\n"}).running() as server:
        out = Out(names.resolver(), clock, 1, smarthosts={"": Smarthost("localhost", server.port, Level.MAY)})
        [outcome] = await out.deliver()
        await out.pool.close()
    assert outcome.verdict is Verdict.ACCEPTED

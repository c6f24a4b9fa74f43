"""Which security a connection demands: the administrator's word, DANE, MTA-STS, the general level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import InvalidArgument
from rookery_server.gateway.dane import Dane, DaneCheck
from rookery_server.gateway.mta_sts import FetchFailed, Mode, MtaSts, parse_policy
from rookery_server.gateway.outcomes import DeliveryStopped
from rookery_server.gateway.resolver import TlsaRecord
from rookery_server.gateway.routing import Host, Route, Smarthost
from rookery_server.gateway.security import Level, Security, unverified_context, verified_context
from rookery_server.gateway.tls_policy import TlsPolicies, parse_levels
from tests.gateway.known_names import KnownNames
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

ENFORCING = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.test\r\nmx: *.example.test\r\nmax_age: 86400\r\n"
RECORD = TlsaRecord(3, 1, 1, b"x" * 32)
MX = Host("mx.example.test", ("192.0.2.1",), authentic=True, canonical="mx.example.test")


@dataclass
class WebSite:
    """Has policies by domain, and counts how often they are fetched."""

    documents: dict[str, bytes] = field(default_factory=dict)
    fetched: int = 0

    async def fetch(self, domain: str) -> bytes:
        self.fetched += 1
        if domain not in self.documents:
            raise FetchFailed("404")
        return self.documents[domain]


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    names: KnownNames = field(default_factory=KnownNames)
    site: WebSite = field(default_factory=WebSite)

    def __post_init__(self) -> None:
        self.sts = MtaSts(self.names, self.site, self.clock)

    def publish(self, document: bytes, record_id: str = "1") -> None:
        self.names.txt["_mta-sts.example.test"] = [f"v=STSv1; id={record_id};"]
        self.site.documents["example.test"] = document

    async def security(
        self, host: Host = MX, levels: Mapping[str, Level] | None = None, smarthost: Smarthost | None = None
    ) -> Security:
        dane = Dane(self.names, unverified_context(), self.clock)
        policies = TlsPolicies(unverified_context(), verified_context(), dane, self.sts, levels)
        route = Route("example.test", (host,), authentic=True, smarthost=smarthost)
        return await policies.of_host(route, host, await policies.of_domain(route))


@pytest.fixture
def world() -> World:
    return World()


async def test_encryption_is_opportunistic_if_nobody_says_more(world: World) -> None:
    security = await world.security()
    assert (security.level, security.required, security.server_name) == (Level.MAY, False, "mx.example.test")


async def test_signed_records_demand_dane(world: World) -> None:
    world.names.records["_25._tcp.mx.example.test"] = [RECORD]
    world.names.signed.add("_25._tcp.mx.example.test")
    security = await world.security()
    assert (security.level, security.required) == (Level.DANE, True)
    assert security.check == DaneCheck(frozenset([RECORD]), ("mx.example.test", "example.test"), world.clock)


@pytest.mark.parametrize("unsigned", ["records", "host"])
async def test_records_count_only_if_everything_is_signed(world: World, unsigned: str) -> None:
    world.names.records["_25._tcp.mx.example.test"] = [RECORD]
    if unsigned != "records":
        world.names.signed.add("_25._tcp.mx.example.test")
    security = await world.security(Host("mx.example.test", ("192.0.2.1",), authentic=unsigned != "host"))
    assert security.level is Level.MAY


@pytest.mark.parametrize(
    "record",
    [
        TlsaRecord(0, 0, 1, b"x" * 32),
        TlsaRecord(1, 0, 1, b"x" * 32),
        TlsaRecord(3, 7, 1, b"x" * 32),
        TlsaRecord(3, 1, 9, b"x"),
        TlsaRecord(3, 1, 1, b"short"),
        TlsaRecord(3, 1, 2, b"x" * 32),
        TlsaRecord(3, 0, 0, b""),
    ],
)
async def test_signed_records_that_can_not_be_used_demand_encryption_all_the_same(world: World, record: TlsaRecord) -> None:
    world.names.records["_25._tcp.mx.example.test"] = [record]
    world.names.signed.add("_25._tcp.mx.example.test")
    assert (await world.security()).level is Level.ENCRYPT


async def test_signed_records_that_can_not_be_used_weaken_nothing(world: World) -> None:
    world.names.records["_25._tcp.mx.example.test"] = [TlsaRecord(1, 0, 1, b"x" * 32)]
    world.names.signed.add("_25._tcp.mx.example.test")
    assert (await world.security(levels={"": Level.MAY})).level is Level.ENCRYPT
    assert (await world.security(levels={"": Level.VERIFY})).level is Level.VERIFY
    world.publish(ENFORCING)
    assert (await world.security()).level is Level.MTA_STS


async def test_a_host_whose_records_can_not_be_found_out_gets_no_mail(world: World) -> None:
    world.names.failing.add("_25._tcp.mx.example.test")
    with pytest.raises(DeliveryStopped) as stopped:
        await world.security()
    assert (stopped.value.outcome.enhanced, stopped.value.outcome.elsewhere) == ("4.7.5", True)


async def test_the_records_of_a_hosts_canonical_name_come_first(world: World) -> None:
    host = Host("mx.example.test", ("192.0.2.1",), authentic=True, canonical="real.test")
    for name in ("real.test", "mx.example.test"):
        world.names.records[f"_25._tcp.{name}"] = [RECORD]
        world.names.signed.add(f"_25._tcp.{name}")
    assert (await world.security(host)).server_name == "real.test"
    del world.names.records["_25._tcp.real.test"]
    assert (await world.security(host)).server_name == "mx.example.test"


async def test_an_enforced_policy_demands_a_valid_certificate_of_a_host_that_it_names(world: World) -> None:
    world.publish(ENFORCING)
    assert (await world.security()).level is Level.MTA_STS
    assert (await world.security(Host("other.example.test", ("192.0.2.1",)))).level is Level.MTA_STS
    with pytest.raises(DeliveryStopped, match="MTA-STS"):
        await world.security(Host("evil.test", ("192.0.2.1",)))


@pytest.mark.parametrize("mode", [b"testing", b"none"])
async def test_a_policy_that_is_not_enforced_demands_nothing(world: World, mode: bytes) -> None:
    world.publish(ENFORCING.replace(b"enforce", mode))
    assert (await world.security(Host("evil.test", ("192.0.2.1",)))).level is Level.MAY


async def test_dane_goes_before_a_policy(world: World) -> None:
    world.publish(ENFORCING)
    world.names.records["_25._tcp.mx.example.test"] = [RECORD]
    world.names.signed.add("_25._tcp.mx.example.test")
    assert (await world.security()).level is Level.DANE


async def test_the_administrators_word_for_a_domain_goes_before_all(world: World) -> None:
    world.publish(ENFORCING)
    for level in (Level.NONE, Level.MAY, Level.ENCRYPT, Level.VERIFY):
        assert (await world.security(levels={"example.test": level})).level is level
    assert (await world.security(levels={"": Level.ENCRYPT})).level is Level.MTA_STS
    assert (await World().security(levels={"": Level.ENCRYPT})).level is Level.ENCRYPT


def test_levels_are_written_once_alone_and_once_for_each_domain() -> None:
    assert parse_levels([]) == {}
    assert parse_levels(["encrypt"]) == {"": Level.ENCRYPT}
    assert parse_levels(["may", "Bücher.test=verify", "old.test=none"]) == {
        "": Level.MAY,
        "xn--bcher-kva.test": Level.VERIFY,
        "old.test": Level.NONE,
    }


@pytest.mark.parametrize(
    "words",
    [["strict"], ["dane"], ["=may"], ["a b=may"], ["a.test=dane"], ["a.test"], ["may", "verify"], ["a.test=may", "A.test=may"]],
)
def test_what_is_no_level_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_levels(words)
    assert (refused.value.reason, refused.value.field) == ("FIELD_INVALID", "mail_tls")


async def test_a_smarthost_has_its_own_level(world: World) -> None:
    world.publish(ENFORCING)
    security = await world.security(smarthost=Smarthost("smart.test", 465, Level.VERIFY, immediate_tls=True))
    assert (security.level, security.immediate) == (Level.VERIFY, True)


async def test_a_policy_is_fetched_once_until_its_record_changes(world: World) -> None:
    world.publish(ENFORCING)
    for _ in range(3):
        await world.security()
    assert world.site.fetched == 1
    world.publish(ENFORCING.replace(b"enforce", b"none"), "2")
    assert (await world.security()).level is Level.MAY
    assert world.site.fetched == 2


async def test_a_policy_holds_while_its_record_and_site_are_gone_until_it_expires(world: World) -> None:
    world.publish(ENFORCING)
    await world.security()
    world.names.failing.add("_mta-sts.example.test")
    assert (await world.security()).level is Level.MTA_STS
    world.names.failing.clear()
    world.publish(ENFORCING, "2")
    world.site.documents.clear()
    assert (await world.security()).level is Level.MTA_STS
    world.names.txt.clear()
    world.clock.advance(seconds=86_399)
    assert (await world.security()).level is Level.MTA_STS
    world.clock.advance(seconds=1)
    assert (await world.security()).level is Level.MAY


async def test_a_policy_is_fetched_anew_long_before_it_expires_and_holds_if_that_fails(world: World) -> None:
    world.publish(ENFORCING)
    await world.security()
    world.clock.advance(seconds=43_201)
    await world.security()
    assert world.site.fetched == 2
    world.site.documents.clear()
    world.clock.advance(seconds=43_201)
    for _ in range(3):
        assert (await world.security()).level is Level.MTA_STS
    assert world.site.fetched == 3
    world.publish(ENFORCING)
    world.clock.advance(seconds=301)
    await world.security()
    world.clock.advance(seconds=86_399)
    assert (await world.security()).level is Level.MTA_STS


async def test_a_site_that_fails_is_left_alone_for_five_minutes(world: World) -> None:
    world.publish(ENFORCING)
    world.site.documents.clear()
    for _ in range(3):
        assert (await world.security()).level is Level.MAY
    assert world.site.fetched == 1
    world.publish(ENFORCING)
    world.clock.advance(seconds=301)
    assert (await world.security()).level is Level.MTA_STS


@pytest.mark.parametrize(
    "texts", [["v=STSv1; id=1;", "v=STSv1; id=2;"], ["v=STSv2; id=1;"], ["v=STSv1;"], ["v=STSv1; id=not/a/word;"], []]
)
async def test_without_one_good_record_there_is_no_policy(world: World, texts: list[str]) -> None:
    world.publish(ENFORCING)
    world.names.txt["_mta-sts.example.test"] = texts
    assert (await world.security()).level is Level.MAY
    assert world.site.fetched == 0


def test_a_policy_is_read_with_fields_that_nobody_knows() -> None:
    policy = parse_policy(b"version: STSv1\nnew: thing\nmode:enforce\nmx:  MX.example.test \nmax_age: 99999999\nmode: none\n")
    assert (policy.mode, policy.hosts, policy.max_age) == (Mode.ENFORCE, ("mx.example.test",), 31_557_600)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        ENFORCING.replace(b"STSv1", b"STSv2"),
        ENFORCING.replace(b"enforce", b"maybe"),
        ENFORCING.replace(b"86400", b"-1"),
        ENFORCING.replace(b"86400", b"forever"),
        b"version: STSv1\nmode: enforce\nmax_age: 1\n",
    ],
)
def test_what_is_no_policy_is_none(document: bytes) -> None:
    with pytest.raises(FetchFailed):
        parse_policy(document)

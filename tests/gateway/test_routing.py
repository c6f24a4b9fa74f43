from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from rookery_server.gateway.outcomes import DeliveryStopped, Outcome, Verdict
from rookery_server.gateway.routing import LOOPBACK, OwnHost, Route, Router, Smarthost
from rookery_server.gateway.security import Level
from tests.gateway.known_names import KnownNames

if TYPE_CHECKING:
    from collections.abc import Callable

OWN = OwnHost(frozenset({"mail.rookery.test"}), (*LOOPBACK, ip_network("192.0.2.99/32")))


def half() -> float:
    return 0.5


def router(resolver: KnownNames, chance: Callable[[], float] = half, **options: Any) -> Router:
    return Router(resolver, OWN, chance, **options)


async def route(domain: str, resolver: KnownNames, **options: Any) -> Route:
    return await router(resolver, **options).route(domain)


async def stop(domain: str, resolver: KnownNames, **options: Any) -> Outcome:
    with pytest.raises(DeliveryStopped) as stopped:
        await route(domain, resolver, **options)
    return stopped.value.outcome


def names(found: Route) -> list[str]:
    return [host.name for host in found.hosts]


HOSTS = {"a.test": ["192.0.2.1"], "b.test": ["192.0.2.2"], "c.test": ["192.0.2.3"]}


async def test_hosts_are_tried_by_preference() -> None:
    found = await route("example.test", KnownNames({"example.test": [(30, "c.test"), (10, "a.test"), (20, "b.test")]}, HOSTS))
    assert names(found) == ["a.test", "b.test", "c.test"]
    assert (found.domain, found.port, found.hosts[0].addresses) == ("example.test", 25, ("192.0.2.1",))


async def test_hosts_of_equal_preference_are_shuffled() -> None:
    resolver = KnownNames({"example.test": [(10, "a.test"), (10, "b.test"), (5, "c.test")]}, HOSTS)
    numbers = iter([0.1, 0.9, 0.5])
    first = await route("example.test", resolver, chance=lambda: next(numbers, 0.5))
    assert names(first) == ["c.test", "a.test", "b.test"]
    numbers = iter([0.9, 0.1, 0.5])
    assert names(await route("example.test", resolver, chance=lambda: next(numbers, 0.5))) == ["c.test", "b.test", "a.test"]


async def test_without_mail_hosts_the_domain_is_its_own() -> None:
    assert names(await route("a.test", KnownNames(hosts=HOSTS))) == ["a.test"]


async def test_a_null_mx_is_a_failure_at_once() -> None:
    outcome = await stop("example.test", KnownNames({"example.test": [(0, "")]}, {"example.test": ["192.0.2.1"]}))
    assert (outcome.verdict, outcome.enhanced, outcome.code) == (Verdict.FAILED, "5.1.10", 556)


async def test_a_domain_that_does_not_exist_is_a_failure_at_once() -> None:
    outcome = await stop("nowhere.test", KnownNames())
    assert (outcome.verdict, outcome.enhanced) == (Verdict.FAILED, "5.1.2")


@pytest.mark.parametrize("resolver", [KnownNames({"example.test": [(10, "gone.test")]}), KnownNames(txt={"example.test": []})])
async def test_a_domain_that_can_not_be_reached_is_a_failure(resolver: KnownNames) -> None:
    outcome = await stop("example.test", resolver)
    assert (outcome.verdict, outcome.enhanced) == (Verdict.FAILED, "5.4.4")


@pytest.mark.parametrize("failing", ["example.test", "a.test"])
async def test_what_the_dns_can_not_tell_now_is_for_later(failing: str) -> None:
    outcome = await stop("example.test", KnownNames({"example.test": [(10, "a.test")]}, HOSTS, failing={failing}))
    assert (outcome.verdict, outcome.enhanced) == (Verdict.DEFERRED, "4.4.3")


async def test_a_host_that_is_not_known_now_does_not_hide_the_others() -> None:
    resolver = KnownNames({"example.test": [(10, "a.test"), (20, "gone.test"), (30, "b.test")]}, HOSTS, failing={"a.test"})
    assert names(await route("example.test", resolver)) == ["b.test"]


@pytest.mark.parametrize("own", ["mail.rookery.test", "same.test"])
async def test_only_hosts_before_this_server_are_tried(own: str) -> None:
    hosts = HOSTS | {"mail.rookery.test": ["192.0.2.50"], "same.test": ["192.0.2.99"]}
    resolver = KnownNames({"example.test": [(10, "a.test"), (20, own), (20, "b.test"), (30, "c.test")]}, hosts)
    assert names(await route("example.test", resolver)) == ["a.test"]


async def test_mail_that_would_come_back_is_a_loop() -> None:
    resolver = KnownNames({"example.test": [(10, "mail.rookery.test"), (20, "b.test")]}, HOSTS)
    outcome = await stop("example.test", resolver)
    assert (outcome.verdict, outcome.enhanced) == (Verdict.FAILED, "5.4.6")


async def test_it_is_no_loop_while_a_better_host_may_be_there() -> None:
    resolver = KnownNames({"example.test": [(10, "a.test"), (20, "mail.rookery.test")]}, HOSTS, failing={"a.test"})
    outcome = await stop("example.test", resolver)
    assert (outcome.verdict, outcome.enhanced) == (Verdict.DEFERRED, "4.4.3")


async def test_ipv6_and_ipv4_take_turns() -> None:
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"]
    [host] = (await route("a.test", KnownNames(hosts={"a.test": addresses}))).hosts
    assert host.addresses == ("2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2")


async def test_addresses_that_no_host_can_have_are_passed_over() -> None:
    addresses = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "::ffff:192.0.2.1"]
    assert (await stop("a.test", KnownNames(hosts={"a.test": addresses}))).enhanced == "5.4.4"
    for address in addresses:
        literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        assert (await stop(literal, KnownNames())).enhanced == "5.4.4"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
async def test_no_stranger_s_domain_leads_to_what_listens_on_this_machine(address: str) -> None:
    hosts = {"mine.test": [address], "other.test": ["192.0.2.1"]}
    resolver = KnownNames({"example.test": [(10, "mine.test"), (20, "other.test")], "local.test": [(0, "localhost")]}, hosts)
    for domain in ("mine.test", "example.test", "local.test", f"[IPv6:{address}]" if ":" in address else f"[{address}]"):
        outcome = await stop(domain, resolver)
        assert (outcome.verdict, outcome.enhanced) == (Verdict.FAILED, "5.4.6"), domain


async def test_an_address_literal_is_its_own_way() -> None:
    found = await route("[IPv6:2001:db8::5]", KnownNames())
    assert [(host.name, host.addresses) for host in found.hosts] == [("[2001:db8::5]", ("2001:db8::5",))]
    assert (await stop("[192.0.2.99]", KnownNames())).enhanced == "5.4.6"
    assert (await stop("[300.0.0.1]", KnownNames())).enhanced == "5.1.2"


async def test_a_domain_is_looked_up_in_a_labels() -> None:
    resolver = KnownNames({"xn--bcher-kva.test": [(10, "a.test")]}, HOSTS)
    assert (await route("Bücher.test", resolver)).domain == "xn--bcher-kva.test"
    assert (await stop("a b.test", resolver)).enhanced == "5.1.2"


async def test_a_smarthost_takes_what_it_is_set_for() -> None:
    resolver = KnownNames({"example.test": [(10, "a.test")], "other.test": [(10, "b.test")]}, HOSTS)
    smarthost = Smarthost("c.test", 587, Level.VERIFY)
    for_all = await route("[192.0.2.1]", resolver, smarthosts={"": smarthost})
    assert (names(for_all), for_all.port, for_all.smarthost) == (["c.test"], 587, smarthost)
    for_one = {"example.test": smarthost}
    assert names(await route("example.test", resolver, smarthosts=for_one)) == ["c.test"]
    assert names(await route("other.test", resolver, smarthosts=for_one)) == ["b.test"]
    by_address = await route("other.test", resolver, smarthosts={"": Smarthost("192.0.2.7", 25, Level.MAY)})
    assert by_address.hosts[0].addresses == ("192.0.2.7",)
    beside = await route("other.test", resolver, smarthosts={"": Smarthost("localhost", 25, Level.MAY)})
    assert beside.hosts[0].addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize(("failing", "enhanced"), [({"smart.test"}, "4.4.3"), (set(), "4.4.4")])
async def test_a_smarthost_that_can_not_be_found_lets_mail_wait(failing: set[str], enhanced: str) -> None:
    outcome = await stop("example.test", KnownNames(failing=failing), smarthosts={"": Smarthost("smart.test", 25, Level.MAY)})
    assert (outcome.verdict, outcome.enhanced) == (Verdict.DEFERRED, enhanced)


async def test_a_route_tells_what_is_signed() -> None:
    resolver = KnownNames({"example.test": [(10, "a.test"), (20, "b.test")]}, HOSTS, signed={"example.test", "a.test"})
    found = await route("example.test", resolver)
    assert found.authentic
    assert [host.authentic for host in found.hosts] == [True, False]

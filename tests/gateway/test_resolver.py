"""The resolver against a name server on the loopback address."""

from __future__ import annotations

import pytest

from rookery_core.errors import InvalidArgument
from rookery_server.gateway.dns_resolver import DnsResolver
from rookery_server.gateway.resolver import Answer, LookupFailed, MailHost, TlsaRecord
from tests.gateway.dns_stub import DnsStub

TABLE = {
    ("example.test", "MX"): ["10 mx.Example.test.", "20 other.test."],
    ("null.test", "MX"): ["0 ."],
    ("mx.example.test", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx.example.test", "AAAA"): ["2001:db8::1"],
    ("alias.test", "CNAME"): ["mx.example.test."],
    ("_25._tcp.mx.example.test", "TLSA"): ["3 1 1 " + "ab" * 32],
    ("example.test", "TXT"): ['"first " "half"', '"second"'],
    ("lonely.test", "TXT"): ['"no address"'],
}


async def test_mail_hosts_have_preferences_and_names_in_lower_case() -> None:
    async with DnsStub(TABLE).running() as stub:
        answer = await stub.resolver().mail_hosts("example.test")
    assert set(answer.records) == {MailHost(10, "mx.example.test"), MailHost(20, "other.test")}
    assert answer.exists


async def test_a_null_mx_has_no_name() -> None:
    async with DnsStub(TABLE).running() as stub:
        assert (await stub.resolver().mail_hosts("null.test")).records == (MailHost(0, ""),)


async def test_addresses_are_of_both_kinds_and_found_through_aliases() -> None:
    async with DnsStub(TABLE).running() as stub:
        answer = await stub.resolver().addresses("alias.test")
    assert set(answer.records) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert answer.canonical == "mx.example.test"


async def test_tlsa_records_and_texts() -> None:
    async with DnsStub(TABLE).running() as stub:
        resolver = stub.resolver()
        assert (await resolver.tlsa("_25._tcp.mx.example.test")).records == (TlsaRecord(3, 1, 1, b"\xab" * 32),)
        assert set((await resolver.texts("example.test")).records) == {"first half", "second"}


async def test_no_such_name_and_no_such_records_are_two_things() -> None:
    async with DnsStub(TABLE).running() as stub:
        resolver = stub.resolver()
        nowhere = await resolver.mail_hosts("nowhere.test")
        without = await resolver.mail_hosts("lonely.test")
        assert (nowhere.records, nowhere.exists) == ((), False)
        assert (without.records, without.exists) == ((), True)
        assert (await resolver.addresses("lonely.test")).exists
        assert not (await resolver.addresses("nowhere.test")).exists


@pytest.mark.parametrize("name", ["x" * 64 + ".test", "a..test", ".".join(["x" * 60] * 5)])
async def test_what_can_be_no_name_does_not_exist(name: str) -> None:
    async with DnsStub(TABLE).running() as stub:
        assert await stub.resolver().mail_hosts(name) == Answer(exists=False, canonical=name)


async def test_a_server_that_fails_or_does_not_answer_leaves_it_open() -> None:
    async with DnsStub(TABLE, failing={("example.test", "MX")}, silent={"mute.test"}).running() as stub:
        with pytest.raises(LookupFailed, match=r"example\.test"):
            await stub.resolver().mail_hosts("example.test")
        with pytest.raises(LookupFailed, match="do not answer"):
            await stub.resolver().mail_hosts("mute.test")


async def test_one_kind_of_address_is_better_than_none() -> None:
    failing = {("mx.example.test", "AAAA"), ("lonely.test", "A")}
    async with DnsStub(TABLE, failing=failing).running() as stub:
        assert set((await stub.resolver().addresses("mx.example.test")).records) == {"192.0.2.1", "192.0.2.2"}
        with pytest.raises(LookupFailed):
            await stub.resolver().addresses("lonely.test")


async def test_answers_are_authentic_if_the_resolver_is_trusted_and_says_so() -> None:
    async with DnsStub(TABLE, signed={"example.test", "mx.example.test"}).running() as stub:
        assert (await stub.resolver(trusted=True).mail_hosts("example.test")).authentic
        assert (await stub.resolver(trusted=True).addresses("mx.example.test")).authentic
        assert not (await stub.resolver(trusted=True).mail_hosts("null.test")).authentic
        assert not (await stub.resolver(trusted=False).mail_hosts("example.test")).authentic


def test_only_name_servers_of_this_machine_are_trusted() -> None:
    DnsResolver(["127.0.0.53", "::1"], trusted=True)
    DnsResolver(["192.0.2.53"])
    with pytest.raises(InvalidArgument, match=r"192\.0\.2\.53 is not on this machine"):
        DnsResolver(["127.0.0.1", "192.0.2.53"], trusted=True)


async def test_a_long_answer_is_fetched_by_tcp() -> None:
    async with DnsStub(TABLE, long={"example.test"}).running() as stub:
        assert len((await stub.resolver().mail_hosts("example.test")).records) == 2
    assert [way for _, _, way in stub.asked] == ["udp", "tcp"]


async def test_an_answer_is_remembered() -> None:
    async with DnsStub(TABLE).running() as stub:
        resolver = stub.resolver()
        for _ in range(3):
            await resolver.mail_hosts("example.test")
    assert len(stub.asked) == 1


async def test_a_name_server_that_is_not_there_leaves_it_open() -> None:
    async with DnsStub(TABLE).running() as stub:
        port = stub.port
    with pytest.raises(LookupFailed):
        await DnsResolver(["127.0.0.1"], port=port, try_seconds=0.2, seconds=0.3).addresses("example.test")

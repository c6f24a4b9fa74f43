"""What is remembered of the DNS, and for how long."""

from __future__ import annotations

import asyncio

from rookery_server.gateway.answer_memory import AnswerMemory
from rookery_server.gateway.resolver import Answer
from tests.gateway.dns_stub import DnsStub


async def test_an_answer_is_kept_for_as_long_as_it_is_valid() -> None:
    memory = AnswerMemory[str]()
    answer = memory.keep("mx.example.test", Answer(("192.0.2.1",)), 0.05)
    assert memory.find("mx.example.test") is answer
    await asyncio.sleep(0.06)
    assert memory.find("mx.example.test") is None


async def test_the_longest_unused_is_forgotten_first() -> None:
    memory = AnswerMemory[str](most=2)
    for name in ("one.test", "two.test"):
        memory.keep(name, Answer((name,)), 60)
    memory.find("one.test")
    memory.keep("three.test", Answer(("three.test",)), 60)
    assert [name for name in ("one.test", "two.test", "three.test") if memory.find(name)] == ["one.test", "three.test"]


async def test_that_a_name_does_not_exist_is_remembered_too() -> None:
    async with DnsStub({}).running() as stub:
        resolver = stub.resolver()
        for _ in range(2):
            assert not (await resolver.texts("_mta-sts.nowhere.test")).exists
    assert len(stub.asked) == 1


async def test_half_an_answer_is_good_for_now_and_asked_for_again() -> None:
    stub = DnsStub({("mx.test", "A"): ["192.0.2.1"], ("mx.test", "AAAA"): ["2001:db8::1"]}, failing={("mx.test", "AAAA")})
    async with stub.running():
        resolver = stub.resolver()
        assert (await resolver.addresses("mx.test")).records == ("192.0.2.1",)
        stub.failing.clear()
        assert set((await resolver.addresses("mx.test")).records) == {"192.0.2.1", "2001:db8::1"}

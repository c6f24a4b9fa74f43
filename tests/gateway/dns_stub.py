"""A name server for the tests: UDP and TCP on the loopback address, answering from a table."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from rookery_server.gateway.dns_resolver import DnsResolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class DnsStub:
    """``table`` has the records by name and type, as in a zone file. A name that is in it at all exists."""

    table: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    """Names whose answers carry the AD bit, if the question asks for it."""
    failing: set[tuple[str, str]] = field(default_factory=set)
    """Name and type: the answer is SERVFAIL."""
    silent: set[str] = field(default_factory=set)
    """Names to which there is no answer."""
    long: set[str] = field(default_factory=set)
    """Names whose answers do not fit into UDP."""
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, type, and ``udp`` or ``tcp``."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[DnsStub]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve_tcp, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port))
        try:
            yield self
        finally:
            transport.close()
            server.close()
            await server.wait_closed()

    def resolver(self, *, trusted: bool = False) -> DnsResolver:
        return DnsResolver(["127.0.0.1"], port=self.port, trusted=trusted, try_seconds=0.5, seconds=2)

    def answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, way))
        if name in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        if (name, kind) in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.long and way == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, kind)
            if name in self.signed and query.flags & dns.flags.AD:
                response.flags |= dns.flags.AD
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        if alias := self.table.get((name, "CNAME")):
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", *alias))
            self._fill(response, alias[0].rstrip("."), kind)
        elif records := self.table.get((name, kind)):
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *records))
        elif not any(known == name for known, _ in self.table):
            response.set_rcode(dns.rcode.NXDOMAIN)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            [size] = struct.unpack("!H", await reader.readexactly(2))
            answer = self.answer(await reader.readexactly(size), "tcp")
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, stub: DnsStub) -> None:
        self._stub = stub

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._stub.answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, addr)

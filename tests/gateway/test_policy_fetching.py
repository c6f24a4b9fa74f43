"""MTA-STS policies over real HTTPS, from a web site on the loopback address."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from rookery_server.gateway.mta_sts import FetchFailed
from rookery_server.gateway.policy_fetching import HttpsPolicyFetcher
from tests.gateway.known_names import KnownNames

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.gateway.certificates import Authority, Issued

POLICY = b"version: STSv1\nmode: none\nmax_age: 1\n"
NAMES = KnownNames(hosts={"mta-sts.example.test": ["127.0.0.1"]})


def response(body: bytes = POLICY, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(headers or [f"Content-Length: {len(body)}", "Content-Type: text/plain; charset=utf-8"])]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def web_site(certificate: Issued, answer: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A site that answers every request alike, or not at all; gives its port and the requests' lines."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while (line := await reader.readline()) not in {b"\r\n", b""}:
                asked.append(line.rstrip())
            if answer is not None:
                writer.write(answer)
                await writer.drain()
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.server_context())
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        await server.wait_closed()


async def fetch(authority: Authority, answer: bytes | None, *hosts: str, seconds: float = 5) -> bytes:
    async with web_site(authority.issue(*(hosts or ["mta-sts.example.test"])), answer) as (port, _):
        return await HttpsPolicyFetcher(NAMES, authority.client_context(), port=port, seconds=seconds).fetch("example.test")


async def test_a_policy_is_fetched_from_where_it_has_to_be(authority: Authority) -> None:
    async with web_site(authority.issue("mta-sts.example.test"), response()) as (port, asked):
        fetcher = HttpsPolicyFetcher(NAMES, authority.client_context(), port=port)
        assert await fetcher.fetch("example.test") == POLICY
    assert asked[:2] == [b"GET /.well-known/mta-sts.txt HTTP/1.1", b"Host: mta-sts.example.test"]


async def test_a_policy_in_chunks_is_put_together(authority: Authority) -> None:
    body = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, POLICY[:10], len(POLICY) - 10, POLICY[10:])
    assert await fetch(authority, response(body, "200 OK", "Transfer-Encoding: chunked", "Content-Type: text/plain")) == POLICY


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (response(b"", "301 Moved", "Location: https://elsewhere.test/"), "301"),
        (response(POLICY, "404 Not Found"), "404"),
        (response(b"<p>hello</p>", "200 OK", "Content-Type: text/html"), "text/plain"),
        (response(b"x" * 70_000), "longer"),
        (response(b"x" * 5_000_000), "longer|not HTTP"),
        (response(POLICY, "200 OK", "Content-Length: 1000", "Content-Type: text/plain"), "cut short"),
        (response(b"40\r\nversion", "200 OK", "Transfer-Encoding: chunked", "Content-Type: text/plain"), "not HTTP"),
        (b"220 mx.test ESMTP\r\n", "not HTTP"),
        (b"", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "not HTTP"),
    ],
)
async def test_what_is_no_good_answer_is_refused(authority: Authority, answer: bytes, why: str) -> None:
    with pytest.raises(FetchFailed, match=why):
        await fetch(authority, answer)


async def test_a_site_with_another_name_is_refused(authority: Authority) -> None:
    with pytest.raises(FetchFailed, match="can not be reached"):
        await fetch(authority, response(), "example.test")


async def test_a_site_that_does_not_answer_is_given_up(authority: Authority) -> None:
    with pytest.raises(FetchFailed, match="does not answer"):
        await fetch(authority, None, seconds=0.3)


@pytest.mark.parametrize(
    ("names", "why"), [(KnownNames(), "no address"), (KnownNames(failing={"mta-sts.example.test"}), "no answer for")]
)
async def test_a_site_that_can_not_be_found_is_told(authority: Authority, names: KnownNames, why: str) -> None:
    with pytest.raises(FetchFailed, match=why):
        await HttpsPolicyFetcher(names, authority.client_context()).fetch("example.test")

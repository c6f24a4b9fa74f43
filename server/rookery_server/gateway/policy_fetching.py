"""Fetches MTA-STS policies over HTTPS: one GET, no redirects, and a host whose certificate names it (RFC 8461 section 3.3)."""

from __future__ import annotations

import asyncio
import http.client
import io
from typing import TYPE_CHECKING

from rookery_server.gateway.mta_sts import FetchFailed
from rookery_server.gateway.resolver import LookupFailed

if TYPE_CHECKING:
    import ssl

    from rookery_server.gateway.resolver import Resolver

_MOST_BYTES = 64 << 10
_MOST_ANSWER = _MOST_BYTES + (32 << 10)
_PATH = "/.well-known/mta-sts.txt"


class _Received:
    """Received bytes in the place where http.client expects a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """The bytes."""
        return io.BytesIO(self._data)


class HttpsPolicyFetcher:
    """Gets policies from the domains' own web sites, each within ``seconds``. ``context`` must check certificates and names."""

    def __init__(self, resolver: Resolver, context: ssl.SSLContext, *, port: int = 443, seconds: float = 30) -> None:
        self._resolver = resolver
        self._context = context
        self._port = port
        self._seconds = seconds

    async def fetch(self, domain: str) -> bytes:
        """The policy document; FetchFailed."""
        host = f"mta-sts.{domain}"
        try:
            async with asyncio.timeout(self._seconds):
                return _document(await self._answer(host))
        except TimeoutError:
            raise FetchFailed(f"{host} does not answer within {self._seconds:g} seconds") from None
        except LookupFailed as failure:
            raise FetchFailed(str(failure)) from None
        except OSError as error:
            raise FetchFailed(f"{host} can not be reached: {error.strerror or error}") from None

    async def _answer(self, host: str) -> bytes:
        addresses = (await self._resolver.addresses(host)).records
        if not addresses:
            raise FetchFailed(f"{host} has no address")
        reader, writer = await self._connect(host, addresses)
        try:
            request = (
                f"GET {_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/plain\r\nUser-Agent: rookery\r\n\r\n"
            )
            writer.write(request.encode("ascii"))
            data = bytearray()
            while len(data) <= _MOST_ANSWER and (more := await reader.read(16 << 10)):
                data += more
            return bytes(data)
        finally:
            writer.transport.abort()

    async def _connect(self, host: str, addresses: tuple[str, ...]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failure: OSError = OSError("no address answers")
        for address in addresses:
            try:
                return await asyncio.open_connection(address, self._port, ssl=self._context, server_hostname=host)
            except OSError as error:
                failure = error
        raise failure


def _document(answer: bytes) -> bytes:
    try:
        response = http.client.HTTPResponse(_Received(answer), method="GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read(_MOST_BYTES + 1)
    except (http.client.HTTPException, ValueError) as error:
        raise FetchFailed(f"the answer is not HTTP: {error!r}") from None
    if response.status != http.client.OK:
        raise FetchFailed(f"the answer is {response.status}")  # a redirect is not followed
    if len(body) > _MOST_BYTES:
        raise FetchFailed(f"the document is longer than {_MOST_BYTES:,} bytes")
    if response.length:
        raise FetchFailed("the document is cut short")
    if response.headers.get_content_type() != "text/plain":
        raise FetchFailed("the document is not text/plain")
    return body

"""Published calendars over HTTP: GET and HEAD of ``/calendars/SECRET.ics``, with an ETag: nothing is sent twice (RFC 9110)."""

from __future__ import annotations

import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import structlog

from rookery_core.errors import RookeryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from rookery_server.services.calendar.feeds import Calendar, CalendarFeeds

    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_PATH = re.compile(r"/calendars/([A-Za-z0-9_-]{20,100})\.ics")
_COMMON = [
    (b"cache-control", b"private, no-cache"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
]
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_CALENDAR = (b"content-type", b"text/calendar; charset=utf-8")
_OK, _UNCHANGED, _NOT_FOUND, _NOT_ALLOWED, _BUSY = 200, 304, 404, 405, 503
_PATIENCE = b"60"

_log = structlog.get_logger("rookery.web")


class CalendarApplication:
    """An ASGI application."""

    def __init__(self, feeds: CalendarFeeds) -> None:
        self._feeds = feeds

    async def __call__(self, scope: MutableMapping[str, Any], receive: object, send: Send) -> None:
        """Answers one request. Nothing of its URL is logged: that is a secret."""
        del receive
        if scope["type"] != "http":
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _say(send, _NOT_ALLOWED, "calendars can be read, and nothing else\n", [(b"allow", b"GET, HEAD")])
            return
        match = _PATH.fullmatch(scope["path"])
        try:
            calendar = await self._feeds.find(match[1]) if match else None
            if calendar is None:
                await _say(send, _NOT_FOUND, "there is no such calendar, or not any more\n")
            elif _is_known(scope, calendar.etag):
                await _begin(send, _UNCHANGED, [(b"etag", calendar.etag.encode())])
                await send({"type": "http.response.body"})
            else:
                await self._answer(calendar, send, with_body=scope["method"] == "GET")
        except RookeryError as error:
            _log.warning("a calendar could not be served", reason=error.reason)
            await _say(send, _BUSY, "the server is busy: look again later\n", [(b"retry-after", _PATIENCE)])

    async def _answer(self, calendar: Calendar, send: Send, *, with_body: bool) -> None:
        headers = [_CALENDAR, (b"etag", calendar.etag.encode())]
        if not with_body:
            await _begin(send, _OK, headers)
            await send({"type": "http.response.body"})
            return
        begun = False
        async with aclosing(self._feeds.pieces(calendar)) as pieces:
            async for piece in pieces:
                if not begun:
                    begun = True
                    await _begin(send, _OK, headers)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


def _is_known(scope: MutableMapping[str, Any], etag: str) -> bool:
    """If-None-Match (RFC 9110 section 13.1.2), compared weakly."""
    given = b",".join(value for name, value in scope["headers"] if name == b"if-none-match").decode("latin-1")
    return given.strip() == "*" or etag in {each.strip().removeprefix("W/") for each in given.split(",")}


async def _say(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    await _begin(send, status, [_PLAIN, (b"content-length", b"%d" % len(body)), *(headers or [])])
    await send({"type": "http.response.body", "body": body})


async def _begin(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_COMMON]})

"""Where Prometheus asks: figures as text, at ``/metrics`` (and at any other path), over plain HTTP and to whoever asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from rookery_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric

_PATIENCE_SECONDS = 10.0
"""For how long an answer may wait for figures: with a busy database there is none rather than a late one."""


_log = structlog.get_logger("rookery.metrics")


class Source(Protocol):
    """Something that has figures."""

    async def families(self) -> Iterable[Metric]:
        """They, as they are now. Called on the event loop."""
        ...


class MetricsEndpoint:
    """Listens from ``start`` to ``stop``. HTTP is spoken in threads of its own, so that a slow reader holds nobody up."""

    def __init__(self, address: str, sources: Sequence[Source]) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._sources = tuple(sources)

    async def start(self) -> str:
        """Begins; gives "HOST:PORT" with the real port. Unavailable ``ADDRESS_IN_USE``."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Asking(self._sources, asyncio.get_running_loop()))
        try:
            self._server, self._thread = start_http_server(self._port, self._host, registry)
        except OSError as error:
            message = f"can not serve metrics on {self._host}:{self._port}: {error.strerror or error}"
            raise Unavailable("ADDRESS_IN_USE", message) from None
        address = f"{self._host}:{self._server.server_port}"
        _log.info("serving metrics", address=address)
        return address

    async def stop(self) -> None:
        """Ends. Who is being answered gets no answer."""
        await asyncio.to_thread(self._server.shutdown)
        self._server.server_close()
        self._thread.join()


class _Asking(Collector):
    """Asks the sources, from a thread of the HTTP server."""

    def __init__(self, sources: Sequence[Source], loop: asyncio.AbstractEventLoop) -> None:
        self._sources = sources
        self._loop = loop

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is, is known when it is asked for."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """What all of them have."""
        return asyncio.run_coroutine_threadsafe(self._gather(), self._loop).result(_PATIENCE_SECONDS)

    async def _gather(self) -> list[Metric]:
        return [family for source in self._sources for family in await source.families()]

"""rookeryd serve."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from typing import TYPE_CHECKING

import click

from rookery_server.bootstrap import CAPTURED, Server
from rookery_server.cli import logs
from rookery_server.cli.options import settings_of, with_settings

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable, Iterator

    from rookery_server.config import Settings

GRACE_SECONDS = 10.0


@click.command()
@with_settings()
def serve(config_file: pathlib.Path | None, **flags: object) -> None:
    """Serve until SIGTERM or SIGINT: calls that run are finished first, for ten seconds at most. A second signal ends at once."""
    settings = settings_of(flags, config_file)
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(run(settings))


async def run(settings: Settings, started: Callable[[Server], Awaitable[None]] | None = None) -> None:
    """Serves until a signal comes. ``started`` is awaited once the server listens."""
    server = Server(settings)
    asked = asyncio.Event()
    with _signals(asked):
        await server.start()
        try:
            if started is not None:
                await started(server)
            _spare_the_collector()
            click.echo(f"rookeryd: serving on {server.address}")
            if settings.mail_delivery == "capture":
                folder = settings.data / CAPTURED
                click.echo(f"rookeryd: mail for other servers is kept in {folder}; mail_delivery and smarthost send it")
            await asked.wait()
        finally:
            await server.stop(GRACE_SECONDS)


def _spare_the_collector() -> None:
    """Tells Python's cycle collector that what start-up built stays, and to look less often at what calls build and drop.

    Records are trees without cycles, freed by counting. Looking through them costs a tenth of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@contextlib.contextmanager
def _signals(asked: asyncio.Event) -> Iterator[None]:
    """The first signal asks to stop, the second one does what it always did."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asked.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

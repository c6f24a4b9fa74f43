"""rookeryd serve."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import click

from rookery_server.bootstrap import CAPTURED, Server
from rookery_server.cli import logs
from rookery_server.cli.options import settings_of, with_settings
from rookery_server.cli.stopping import GRACE_SECONDS, signals

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable

    from rookery_server.bootstrap import Edges
    from rookery_server.config import Settings


@click.command()
@with_settings()
def serve(config_file: pathlib.Path | None, **flags: object) -> None:
    """Serve until SIGTERM or SIGINT: calls that run are finished first, for ten seconds at most. A second signal ends at once."""
    settings = settings_of(flags, config_file)
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(run(settings))


async def run(
    settings: Settings, started: Callable[[Server], Awaitable[None]] | None = None, *, edges: Edges | None = None
) -> None:
    """Serves until a signal comes. ``started`` is awaited once the server listens."""
    server = Server(settings, edges)
    asked = asyncio.Event()
    with signals(asked):
        await server.start()
        try:
            if started is not None:
                await started(server)
            _spare_the_collector()
            _keep_freed_memory()
            click.echo(f"rookeryd: serving on {server.address}")
            for listener, address in server.mail_addresses.items():
                click.echo(f"rookeryd: mail comes in on {address} ({listener})")
            if settings.gateway:
                say_what_is_captured(settings)
            await asked.wait()
        finally:
            await server.stop(GRACE_SECONDS)


def say_what_is_captured(settings: Settings) -> None:
    """Tells people that mail does not leave the machine, where it does not."""
    if settings.mail_delivery == "capture":
        folder = settings.data / CAPTURED
        click.echo(f"rookeryd: mail for other servers is kept in {folder}; mail_delivery and smarthost send it")


def _spare_the_collector() -> None:
    """Tells Python's cycle collector that what start-up built stays, and to look less often at what calls build and drop.

    Records are trees without cycles, freed by counting. Looking through them costs a tenth of an import.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _keep_freed_memory() -> None:
    """Has the C library keep what is freed, up to 16 MiB a heap, instead of giving it back each time.

    Messages of a megabyte come and go all the time, and the kernel takes longer to hand out their pages anew, zeroed, than a
    download takes to fill them. glibc adapts to the largest block that was freed so far (mallopt(3), M_MMAP_THRESHOLD), so it is
    shown one at once; elsewhere this does nothing.
    """
    bytes(8 << 20)

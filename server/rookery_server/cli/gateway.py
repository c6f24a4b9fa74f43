"""rookeryd gateway."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from rookery_server.bootstrap import Gateway
from rookery_server.cli import logs
from rookery_server.cli.options import settings_of, with_settings
from rookery_server.cli.serve import say_what_is_captured
from rookery_server.cli.stopping import GRACE_SECONDS, signals

if TYPE_CHECKING:
    import pathlib

    from rookery_server.config import Settings

_SETTINGS = (
    *("data", "database_url", "mail_delivery", "smarthost", "mail_name", "mail_tls", "mail_dnssec"),
    *("metrics", "log_format", "log_level"),
)
"""Those that have to do with sending."""


@click.command()
@with_settings(*_SETTINGS)
def gateway(config_file: pathlib.Path | None, **flags: object) -> None:
    """Send mail to other servers until SIGTERM or SIGINT, beside servers on the same PostgreSQL database.

    Any number of gateways share the queue. Servers started with --no-gateway leave all of that work to them.
    """
    settings = settings_of(flags, config_file)
    logs.configure(settings.log_format, settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    running = Gateway(settings)
    asked = asyncio.Event()
    with signals(asked):
        await running.start()
        try:
            click.echo("rookeryd: gateway ready")
            say_what_is_captured(settings)
            await asked.wait()
        finally:
            await running.stop(GRACE_SECONDS)

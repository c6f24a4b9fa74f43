"""rookeryd demo."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import grpc.aio

from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.api.listening import socket_name
from rookery_server.cli import logs
from rookery_server.cli.demo_content.people import ANNA, BEN
from rookery_server.cli.demo_fill import PASSWORDS, fill, start_of
from rookery_server.cli.options import settings_of, with_settings
from rookery_server.cli.serve import run

if TYPE_CHECKING:
    import pathlib

    from rookery_server.bootstrap import Server
    from rookery_server.config import Settings

FOLDER = "./data/demo"


@click.command()
@with_settings()
def demo(config_file: pathlib.Path | None, **flags: object) -> None:
    """Serve a demonstration: two people with mail, calendars, tasks and contacts. Data in ./data/demo unless told otherwise.

    The first start fills the mailboxes; later ones serve what is there.
    """
    if flags.get("data") is None:
        flags["data"] = FOLDER
    settings = settings_of({"log_format": "text", "log_level": "warning", **_given(flags)}, config_file)
    logs.configure(settings.log_format, settings.log_level)

    async def started(server: Server) -> None:
        await _fill_once(settings)
        _tell(server.address)

    asyncio.run(run(settings, started))


def _given(flags: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in flags.items() if value is not None}


async def _fill_once(settings: Settings) -> None:
    """Fills the mailboxes, or finishes what a broken start began. The files tell how far it came."""
    begun, filled = settings.data / "demo.begun", settings.data / "demo.filled"
    if await asyncio.to_thread(filled.exists):
        return
    clock = SystemClock()
    if not await asyncio.to_thread(begun.exists):
        now = datetime.fromtimestamp(clock.micros() / 1_000_000, UTC)
        await asyncio.to_thread(begun.write_text, now.isoformat(timespec="seconds"))
    now = start_of(await asyncio.to_thread(begun.read_text))
    async with grpc.aio.insecure_channel(f"unix:{socket_name(settings.unix_socket)}") as channel:
        imported = await fill(channel, RandomIds(clock), now)
    await asyncio.to_thread(begun.rename, filled)
    click.echo(f"Made two mailboxes with {imported:,} messages, appointments, tasks and contacts.")


def _tell(address: str) -> None:
    click.echo("\nTwo people live here:")
    for person in (ANNA, BEN):
        click.echo(f"  {person.address:<22} password: {PASSWORDS[person]}")
    click.echo("\nIn another terminal:")
    click.echo(f"  rookery login {ANNA.address} --server {address}")
    click.echo("  rookery folders")
    click.echo("  rookery ls inbox")
    click.echo("  rookery search otters\n")

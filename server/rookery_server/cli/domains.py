"""rookeryd domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1 import admin_service_pb2 as messages
from rookery_server.cli.administration import Administration, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import json_option, print_json, print_table, time_of

if TYPE_CHECKING:
    import pathlib


@click.group()
def domain() -> None:
    """The mail domains of this server."""


@domain.command()
@click.argument("name")
@with_settings(*WHERE)
def add(name: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Add a domain."""

    async def work(server: Administration) -> messages.Domain:
        wanted = messages.Domain(name=name)
        request = messages.CreateDomainRequest(operation_id=server.operation_id(), domain=wanted)
        return (await server.service.CreateDomain(request)).domain

    created = administer(flags, config_file, work)
    click.echo(f"{created.name} is there.")


@domain.command("list")
@json_option
@with_settings(*WHERE)
def list_(as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List the domains."""

    async def work(server: Administration) -> list[messages.Domain]:
        return list((await server.service.ListDomains(messages.ListDomainsRequest())).domains)

    found = administer(flags, config_file, work)
    if as_json:
        print_json([{"name": one.name, "address_count": one.address_count, "created": time_of(one.created)} for one in found])
        return
    print_table(("Domain", "Addresses"), [(one.name, f"{one.address_count:,}") for one in found])


@domain.command()
@click.argument("name")
@with_settings(*WHERE)
def remove(name: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Remove a domain that no address uses."""

    async def work(server: Administration) -> None:
        await server.service.DeleteDomain(messages.DeleteDomainRequest(operation_id=server.operation_id(), name=name))

    administer(flags, config_file, work)
    click.echo(f"{name} is gone.")

"""rookeryd alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.rules.ids import text_of
from rookery_server.cli.administration import Administration, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    import pathlib


@click.group()
def alias() -> None:
    """Further addresses of accounts."""


@alias.command()
@click.argument("address")
@click.argument("account")
@with_settings(*WHERE)
def add(address: str, account: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Have mail for ADDRESS go to ACCOUNT, and let it sign in under ADDRESS."""

    async def work(server: Administration) -> messages.Alias:
        wanted = messages.Alias(address=address, account_id=(await server.account(account)).id)
        request = messages.CreateAliasRequest(operation_id=server.operation_id(), alias=wanted)
        return (await server.service.CreateAlias(request)).alias

    created = administer(flags, config_file, work)
    click.echo(f"{created.address} leads to {account}.")


@alias.command("list")
@click.argument("account", default="")
@json_option
@with_settings(*WHERE)
def list_(account: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List the further addresses of ACCOUNT, or of all."""

    async def work(server: Administration) -> list[tuple[messages.Alias, str]]:
        account_id = (await server.account(account)).id if account else b""
        request = messages.ListAliasesRequest(account_id=account_id, page_size=500)
        owners: dict[bytes, str] = {}
        found: list[tuple[messages.Alias, str]] = []
        while True:
            response = await server.service.ListAliases(request)
            for one in response.aliases:
                if one.account_id not in owners:
                    owner = await server.service.GetAccount(messages.GetAccountRequest(account_id=one.account_id))
                    owners[one.account_id] = owner.account.address
                found.append((one, owners[one.account_id]))
            request.page_token = response.next_page_token
            if not request.page_token:
                return found

    found = administer(flags, config_file, work)
    if as_json:
        print_json([{"address": one.address, "account": owner, "account_id": text_of(one.account_id)} for one, owner in found])
        return
    print_table(("Address", "Account"), [(one.address, owner) for one, owner in found])


@alias.command()
@click.argument("address")
@with_settings(*WHERE)
def remove(address: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Take a further address away."""

    async def work(server: Administration) -> None:
        await server.service.DeleteAlias(messages.DeleteAliasRequest(operation_id=server.operation_id(), address=address))

    administer(flags, config_file, work)
    click.echo(f"{address} is gone.")

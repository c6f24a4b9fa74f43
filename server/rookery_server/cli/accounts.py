"""rookeryd account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.rules import amounts
from rookery_core.rules.ids import text_of
from rookery_server.cli.administration import Administration, administer
from rookery_server.cli.booking import booking
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import bytes_of, json_option, print_json, print_table, time_of

if TYPE_CHECKING:
    import pathlib

_KINDS = {
    "user": messages.ACCOUNT_KIND_USER,
    "group": messages.ACCOUNT_KIND_GROUP,
    "room": messages.ACCOUNT_KIND_ROOM,
    "equipment": messages.ACCOUNT_KIND_EQUIPMENT,
}
_KIND_NAMES = {kind: name for name, kind in _KINDS.items()}

_MEMBERS = click.option("--members", metavar="ADDRESSES", help="Of a group: who belongs to it, separated by commas.")
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")


@click.group()
def account() -> None:
    """Who has a mailbox on this server."""


@account.command()
@click.argument("address")
@click.option("--name", default="", help="Display name. Default: what stands before the @.")
@click.option("--kind", type=click.Choice(list(_KINDS)), default="user", show_default=True, help="What the account stands for.")
@click.option("--quota", metavar="SIZE", help="Limit of the mailbox, like 5GiB. Default: the setting quota_bytes.")
@click.option("--admin", is_flag=True, help="May administer the server.")
@_MEMBERS
@click.option("--no-password", is_flag=True, help="Set none: nobody can sign in until one is set.")
@_password_stdin
@with_settings(*WHERE)
def add(
    address: str,
    name: str,
    kind: str,
    quota: str | None,
    admin: bool,
    members: str | None,
    no_password: bool,
    password_stdin: bool,
    config_file: pathlib.Path | None,
    **flags: object,
) -> None:
    """Create an account with its mailbox. Its domain must be there: rookeryd domain add."""
    wanted = messages.Account(
        address=address,
        display_name=name,
        kind=_KINDS[kind],
        administrator=admin,
        quota_bytes=_size(quota) if quota else 0,
        members=_addresses(members or ""),
    )
    password = "" if no_password else read_password(password_stdin)

    async def work(server: Administration) -> messages.Account:
        request = messages.CreateAccountRequest(operation_id=server.operation_id(), account=wanted, password=password)
        return (await server.service.CreateAccount(request)).account

    created = administer(flags, config_file, work)
    click.echo(f"{created.address} is there.")


@account.command("list")
@json_option
@with_settings(*WHERE)
def list_(as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List the accounts."""

    async def work(server: Administration) -> list[messages.Account]:
        found: list[messages.Account] = []
        request = messages.ListAccountsRequest(page_size=500)
        while True:
            response = await server.service.ListAccounts(request)
            found.extend(response.accounts)
            request.page_token = response.next_page_token
            if not request.page_token:
                return found

    found = administer(flags, config_file, work)
    if as_json:
        print_json([_document(one) for one in found])
        return
    rows = [
        (one.address, one.display_name, _KIND_NAMES[one.kind], _marks(one), f"{one.item_count:,}", bytes_of(one.used_bytes))
        for one in found
    ]
    print_table(("Address", "Name", "Kind", "", "Items", "Used"), rows)


@account.command("set")
@click.argument("address")
@click.option("--name", help="Display name.")
@click.option("--quota", metavar="SIZE", help="Limit of the mailbox, like 5GiB; 0 is none.")
@click.option("--admin/--no-admin", default=None, help="May administer the server, or not.")
@_MEMBERS
@with_settings(*WHERE)
def set_(
    address: str,
    name: str | None,
    quota: str | None,
    admin: bool | None,
    members: str | None,
    config_file: pathlib.Path | None,
    **flags: object,
) -> None:
    """Change an account. How a room is booked: rookeryd account booking."""
    values: dict[str, Any] = {
        "display_name": name,
        "quota_bytes": _size(quota) if quota else None,
        "administrator": admin,
        "members": None if members is None else _addresses(members),
    }
    values = {field: value for field, value in values.items() if value is not None}
    if not values:
        raise click.UsageError("say what to change: --name, --quota, --admin, --no-admin or --members")
    _update(address, values, config_file, flags)
    click.echo(f"{address} is changed.")


@account.command()
@click.argument("address")
@_password_stdin
@with_settings(*WHERE)
def password(address: str, password_stdin: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Set an account's password, which ends all its sessions."""
    new = read_password(password_stdin)

    async def work(server: Administration) -> None:
        account_id = (await server.account(address)).id
        request = messages.SetPasswordRequest(operation_id=server.operation_id(), account_id=account_id, password=new)
        await server.service.SetPassword(request)

    administer(flags, config_file, work)
    click.echo(f"The password of {address} is set; its sessions have ended.")


@account.command()
@click.argument("address")
@with_settings(*WHERE)
def disable(address: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Let nobody sign in to an account any more, and end its sessions. Mail still comes in."""
    _update(address, {"disabled": True}, config_file, flags)
    click.echo(f"{address} is disabled.")


@account.command()
@click.argument("address")
@with_settings(*WHERE)
def enable(address: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Undo disable."""
    _update(address, {"disabled": False}, config_file, flags)
    click.echo(f"{address} is enabled.")


@account.command()
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--discard-mail", is_flag=True, help="Give up what the account has sent and is still on its way.")
@with_settings(*WHERE)
def remove(address: str, yes: bool, discard_mail: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Remove an account with its mailbox and everything in it. There is no way back but a backup.

    What it has sent leaves first: disable the account meanwhile.
    """
    if not yes:
        click.confirm(f"Remove {address} with everything in its mailbox?", abort=True, err=True)

    async def work(server: Administration) -> int:
        account_id = (await server.account(address)).id
        request = messages.DeleteAccountRequest(
            operation_id=server.operation_id(), account_id=account_id, discard_mail=discard_mail
        )
        return (await server.service.DeleteAccount(request)).deleted_items

    items = administer(flags, config_file, work)
    click.echo(f"{address} is gone, with {items:,} items.")


account.add_command(booking)


def read_password(from_stdin: bool) -> str:
    """A password from the first line of stdin, or asked for twice on the terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _update(address: str, values: dict[str, Any], config_file: pathlib.Path | None, flags: dict[str, object]) -> None:
    async def work(server: Administration) -> None:
        changed = messages.Account(id=(await server.account(address)).id, **values)
        request = messages.UpdateAccountRequest(operation_id=server.operation_id(), account=changed)
        request.update_mask.paths.extend(values)
        await server.service.UpdateAccount(request)

    administer(flags, config_file, work)


def _size(text: str) -> int:
    try:
        return amounts.size(text)
    except ValueError as error:
        raise click.UsageError(f"--quota: “{text}” is wrong, {error} right") from None


def _addresses(text: str) -> list[str]:
    return [address.strip() for address in text.split(",") if address.strip()]


def _marks(account: messages.Account) -> str:
    marks = [word for word, holds in (("admin", account.administrator), ("disabled", account.disabled)) if holds]
    if account.members:
        marks.append(f"{len(account.members)} member{'' if len(account.members) == 1 else 's'}")
    return ", ".join(marks)


def _document(account: messages.Account) -> dict[str, object]:
    return {
        "id": text_of(account.id),
        "address": account.address,
        "aliases": list(account.aliases),
        "members": list(account.members),
        "display_name": account.display_name,
        "kind": _KIND_NAMES[account.kind],
        "administrator": account.administrator,
        "disabled": account.disabled,
        "quota_bytes": account.quota_bytes,
        "used_bytes": account.used_bytes,
        "item_count": account.item_count,
        "mailbox_id": text_of(account.mailbox_id),
        "created": time_of(account.created),
    }

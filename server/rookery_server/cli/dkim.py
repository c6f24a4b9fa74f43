"""rookeryd dkim."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from rookery.v1 import dkim_service_pb2 as messages
from rookery_server.cli.administration import Administration, Refused, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import json_option, print_fields, print_json, print_table, time_of
from rookery_server.gateway.dns_resolver import DnsResolver
from rookery_server.gateway.resolver import LookupFailed

if TYPE_CHECKING:
    import pathlib

    from rookery_server.gateway.resolver import Resolver

_ALGORITHMS = {"rsa": messages.DKIM_ALGORITHM_RSA, "ed25519": messages.DKIM_ALGORITHM_ED25519}
_NAMES = {number: name for name, number in _ALGORITHMS.items()}
_STRING = 255
"""Bytes of a character string in a TXT record (RFC 1035 section 3.3)."""
_LOOKUP_SECONDS = 5.0
_LEAVE_IT = "Leave its record in the DNS for a week: mail is still on its way."


@click.group()
def dkim() -> None:
    """The keys that mail for other servers is signed with."""


@dkim.command()
@click.argument("domain")
@click.option(
    "--selector", default="", help="The key's name in the DNS; made of the algorithm and the date where unset.", metavar="NAME"
)
@click.option("--algorithm", type=click.Choice(sorted(_ALGORITHMS)), default="rsa", show_default=True, help="How it signs.")
@json_option
@with_settings(*WHERE)
def create(domain: str, selector: str, algorithm: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Make a key for mail from DOMAIN. It signs nothing yet: its record has to be in the DNS first."""

    async def work(server: Administration) -> messages.DkimKey:
        request = messages.CreateDkimKeyRequest(
            operation_id=server.operation_id(), domain=domain, selector=selector, algorithm=_ALGORITHMS[algorithm]
        )
        return (await server.dkim.CreateDkimKey(request)).key

    key = administer(flags, config_file, work)
    if as_json:
        print_json(_document(key))
        return
    click.echo(f"The key {key.selector} of {key.domain} is there. Put this record into the DNS:\n")
    click.echo(f"{zone_line(key)}\n")
    click.echo(f"Once it is there: rookeryd dkim activate {key.domain} {key.selector}")


@dkim.command("list")
@click.argument("domain", default="")
@json_option
@with_settings(*WHERE)
def list_(domain: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List the keys, all or those of DOMAIN."""

    async def work(server: Administration) -> list[messages.DkimKey]:
        return list((await server.dkim.ListDkimKeys(messages.ListDkimKeysRequest(domain=domain))).keys)

    found = administer(flags, config_file, work)
    if as_json:
        print_json([_document(key) for key in found])
        return
    rows = [(key.domain, key.selector, _NAMES[key.algorithm], _signs(key), time_of(key.created)) for key in found]
    print_table(("Domain", "Selector", "Algorithm", "Signs", "Created"), rows)


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@json_option
@with_settings(*WHERE)
def show(domain: str, selector: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Show the key SELECTOR of DOMAIN, with its record for the DNS."""
    key = administer(flags, config_file, lambda server: _required(server, domain, selector))
    if as_json:
        print_json(_document(key))
        return
    print_fields(
        {
            "Domain": key.domain,
            "Selector": key.selector,
            "Algorithm": _NAMES[key.algorithm],
            "Signs": _signs(key),
            "Created": time_of(key.created),
        }
    )
    click.echo(f"\n{zone_line(key)}")


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@with_settings(*WHERE)
def activate(domain: str, selector: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Let the key SELECTOR of DOMAIN sign from now on. Says so if its record is not in the DNS."""

    async def work(server: Administration) -> tuple[messages.DkimKey, str]:
        key = await _required(server, domain, selector)
        warning = await objection(DnsResolver(try_seconds=2, seconds=_LOOKUP_SECONDS), key)
        return await _set_active(server, key, active=True), warning

    key, warning = administer(flags, config_file, work)
    if warning:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"Mail from {key.domain} is signed with the key {key.selector}.")


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@with_settings(*WHERE)
def deactivate(domain: str, selector: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Let the key SELECTOR of DOMAIN sign nothing more."""

    async def work(server: Administration) -> messages.DkimKey:
        return await _set_active(server, messages.DkimKey(domain=domain, selector=selector), active=False)

    key = administer(flags, config_file, work)
    click.echo(f"The key {key.selector} of {key.domain} signs nothing more. {_LEAVE_IT}")


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@with_settings(*WHERE)
def delete(domain: str, selector: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Delete the key SELECTOR of DOMAIN."""

    async def work(server: Administration) -> None:
        request = messages.DeleteDkimKeyRequest(operation_id=server.operation_id(), domain=domain, selector=selector)
        await server.dkim.DeleteDkimKey(request)

    administer(flags, config_file, work)
    click.echo(f"The key {selector} of {domain} is gone. {_LEAVE_IT}")


def zone_line(key: messages.DkimKey) -> str:
    """The record as a line of a zone file, in strings of at most 255 bytes."""
    value = key.record_value
    strings = [value[start : start + _STRING] for start in range(0, len(value), _STRING)]
    return f"{key.record_name}. IN TXT ( " + " ".join(f'"{string}"' for string in strings) + " )"


async def objection(resolver: Resolver, key: messages.DkimKey) -> str:
    """What is wrong with the key's record in the DNS; "" if it is there."""
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = (await resolver.texts(key.record_name)).records
    except LookupFailed as failure:
        return f"whether the key's record is in the DNS is not known: {failure}"
    except TimeoutError:
        return f"whether the key's record is in the DNS is not known: nothing answers for {key.record_name}"
    if not found:
        return f"{key.record_name} is not in the DNS yet: until it is, nobody can check the signatures"
    if _public_key(key.record_value) not in map(_public_key, found):
        return f"what the DNS has at {key.record_name} is not this key: its signatures will be taken for forged"
    return ""


def _public_key(record: str) -> str:
    """The tag ``p=`` of a record, without the blanks that may be in it (RFC 6376 section 3.2)."""
    tags = (tag.partition("=") for tag in record.split(";"))
    return next(("".join(value.split()) for name, _, value in tags if name.strip() == "p"), "")


async def _required(server: Administration, domain: str, selector: str) -> messages.DkimKey:
    for key in (await server.dkim.ListDkimKeys(messages.ListDkimKeysRequest(domain=domain))).keys:
        if key.selector == selector.lower():
            return key
    raise Refused(f"{domain} has no key {selector}")


async def _set_active(server: Administration, key: messages.DkimKey, *, active: bool) -> messages.DkimKey:
    request = messages.SetDkimKeyActiveRequest(
        operation_id=server.operation_id(), domain=key.domain, selector=key.selector, active=active
    )
    return (await server.dkim.SetDkimKeyActive(request)).key


def _signs(key: messages.DkimKey) -> str:
    return "yes" if key.active else "no"


def _document(key: messages.DkimKey) -> dict[str, object]:
    return {
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": _NAMES[key.algorithm],
        "active": key.active,
        "created": time_of(key.created),
        "record_name": key.record_name,
        "record_value": key.record_value,
        "zone_line": zone_line(key),
    }

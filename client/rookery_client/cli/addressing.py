"""Who a message goes to, as people write it on the command line: addresses, names with addresses, distribution lists by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ItemKind, Recipient, RecipientType
from rookery_client.cli import filters
from rookery_client.cli.terminal import clean
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.rules import limits, mail_addresses, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from rookery.v1.person_pb2 import Person
    from rookery_client import Client

OPTIONS: Mapping[str, RecipientType.ValueType] = {
    "--to": RecipientType.RECIPIENT_TYPE_TO,
    "--cc": RecipientType.RECIPIENT_TYPE_CC,
    "--bcc": RecipientType.RECIPIENT_TYPE_BCC,
    "--reply-to": RecipientType.RECIPIENT_TYPE_REPLY_TO,
}
_ENDS_A_FIELD = frozenset("\r\n\0")


def one_line(text: str, option: str) -> str:
    """The text, which is to stand in a header. UsageError for what would begin another field there: CR, LF and NUL."""
    if not _ENDS_A_FIELD.isdisjoint(text):
        raise click.UsageError(f"{option} is one line: it holds a line end or a zero byte.")
    return text


def people(texts: Iterable[str], option: str) -> list[Person]:
    """The people that are named: ``a@b``, ``Name <a@b>``, several with commas between. One without an address is a list's name.

    UsageError for an address that is none.
    """
    found: list[Person] = []
    for text in texts:
        named = parse_addresses(one_line(text, option), limits.RECIPIENTS + 1)
        if not named:
            raise click.UsageError(f"{option} “{clean(text)}” names nobody.")
        found += named
    for person in found:
        one_line(person.name, option)
        if person.address:
            _require_address(person.address, option)
    return found


def sender(text: str, option: str) -> Person:
    """Whom a message is from: one person, with an address. UsageError."""
    found = people([text], option)
    if len(found) != 1 or not found[0].address:
        raise click.UsageError(f"{option} “{clean(text)}” is not one address.")
    return found[0]


def recipients(options: Mapping[str, Sequence[str]]) -> list[Recipient]:
    """The recipients that the options name, by option; of distribution lists only the names yet. UsageError."""
    found = [
        Recipient(type=kind, person=person)
        for option, kind in OPTIONS.items()
        for person in people(options.get(option, ()), option)
    ]
    for each in found:
        if not each.person.address and each.type == RecipientType.RECIPIENT_TYPE_REPLY_TO:
            raise click.UsageError(f"--reply-to “{clean(each.person.name)}” is no address.")
    return found


async def with_lists(client: Client, wanted: Sequence[Recipient]) -> list[Recipient]:
    """The recipients, each list with its id. NotFound ``ITEM_NOT_FOUND`` for a name that is no list's, or more than one's."""
    if all(each.person.address for each in wanted):
        return list(wanted)
    lists: dict[str, list[bytes]] = {}
    async for key, item_id in _lists(client):
        lists.setdefault(key, []).append(item_id)
    return [_with_list(each, lists) for each in wanted]


def _with_list(recipient: Recipient, lists: Mapping[str, list[bytes]]) -> Recipient:
    if recipient.person.address:
        return recipient
    found = lists.get(names.key(recipient.person.name), [])
    shown = clean(recipient.person.name)
    if not found:
        raise NotFound("ITEM_NOT_FOUND", f"“{shown}” is neither an address nor one of your distribution lists")
    if len(found) > 1:
        raise NotFound("ITEM_NOT_FOUND", f"{len(found)} distribution lists are named “{shown}”: give one of them another name")
    return Recipient(type=recipient.type, person=recipient.person, list_item_id=found[0])


async def _lists(client: Client) -> AsyncIterator[tuple[str, bytes]]:
    """The distribution lists in the folders for contacts, by the keys of their names."""
    only_lists = filters.of_kind(ItemKind.ITEM_KIND_DISTRIBUTION_LIST)
    for folder in await client.folders.list():
        if folder.default_kind == ItemKind.ITEM_KIND_CONTACT:
            async for item in client.items.list(folder.id, restriction=only_lists):
                yield names.key(item.summary.subject), item.id


def _require_address(address: str, option: str) -> None:
    try:
        mail_addresses.parse(address, option)
    except InvalidArgument as error:
        raise click.UsageError(f"{option}: {error.message}.") from None

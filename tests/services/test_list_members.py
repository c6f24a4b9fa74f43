"""Distribution lists as recipients: whoever is in them when the message is submitted gets it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import item_pb2, item_service_pb2
from rookery.v1.contact_pb2 import DistributionListMember
from rookery.v1.person_pb2 import Person as Named
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from rookery_core.formats import mime
from rookery_core.rules.ids import text_of
from rookery_server.services.submission import list_members
from rookery_server.services.submission.list_members import MOST_NESTED
from tests.services.test_submissions import refused
from tests.support.mail import DRAFTS, OUTBOX, MailWorld

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person

TO, CC, BCC = item_pb2.RECIPIENT_TYPE_TO, item_pb2.RECIPIENT_TYPE_CC, item_pb2.RECIPIENT_TYPE_BCC


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


async def contact(world: MailWorld, person: Person, name: str, *addresses: str) -> bytes:
    record = item_pb2.Item()
    record.summary.kind, record.summary.subject = item_pb2.ITEM_KIND_CONTACT, name
    for address in addresses:
        record.content.contact.emails.add(address=address)
    return (await world.create(person, record)).id


async def team(world: MailWorld, person: Person, name: str, *members: str | bytes | DistributionListMember) -> bytes:
    """A list of addresses, and of contacts and lists by their ids."""
    record = item_pb2.Item()
    record.summary.kind, record.summary.subject = item_pb2.ITEM_KIND_DISTRIBUTION_LIST, name
    for member in members:
        match member:
            case str():
                record.content.distribution_list.members.add(person=Named(name=member.partition("@")[0], address=member))
            case bytes():
                record.content.distribution_list.members.add(item_id=member)
            case _:
                record.content.distribution_list.members.append(member)
    return (await world.create(person, record)).id


async def draft(world: MailWorld, person: Person, *recipients: str | bytes | tuple[int, str | bytes]) -> bytes:
    """A draft to addresses and to lists by their ids."""
    record = item_pb2.Item()
    record.summary.kind, record.summary.message.draft = item_pb2.ITEM_KIND_MESSAGE, True
    for each in recipients:
        kind, who = each if isinstance(each, tuple) else (TO, each)
        added = record.content.recipients.add(type=item_pb2.RecipientType.ValueType(kind))
        if isinstance(who, str):
            added.person.address = who
        else:
            added.person.name, added.list_item_id = "Team", who
    return (await world.create(person, record)).id


def addresses(recipients: Any) -> list[str]:
    return [each.person.address for each in recipients]


async def test_members_take_the_list_s_place_in_the_message_and_in_the_sender_s_copy(world: MailWorld, anna: Person) -> None:
    carl = await contact(world, anna, "Carl", "carl@one.example", "carl@two.example")
    list_id = await team(world, anna, "Team", "a@one.example", carl)
    hidden = await team(world, anna, "Hidden", "secret@one.example")
    sent = await world.submit(anna, await draft(world, anna, "x@one.example", list_id, (BCC, hidden)))
    named = ["x@one.example", "a@one.example", "carl@one.example"]
    everybody = [*named, "secret@one.example"]
    assert addresses(sent.recipients) == everybody and sent.recipients[2].person.name == "Carl"
    [kept] = await world.within(anna, OUTBOX)
    assert addresses(kept.content.recipients) == everybody and not any(each.list_item_id for each in kept.content.recipients)
    message = await world.message(anna, sent.id)
    assert addresses(mime.parse(message).content.recipients) == named and b"secret" not in message


async def test_a_draft_keeps_the_list_until_it_is_sent_and_then_has_who_is_in_it(world: MailWorld, anna: Person) -> None:
    carl = await contact(world, anna, "Carl", "old@one.example")
    list_id = await team(world, anna, "Team", carl)
    item_id = await draft(world, anna, list_id)
    assert [each.list_item_id for each in (await world.get(anna, item_id)).content.recipients] == [list_id]
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item_pb2.Item(id=carl))
    request.item.content.contact.emails.add(address="new@one.example")
    request.update_mask.paths.append("content.contact.emails")
    await world.editing.update_item(anna.caller, request)
    assert addresses((await world.submit(anna, item_id)).recipients) == ["new@one.example"]


async def test_lists_inside_of_lists_are_opened_and_circles_do_no_harm(world: MailWorld, anna: Person) -> None:
    inner = await team(world, anna, "Inner", "b@one.example")
    outer = await team(world, anna, "Outer", "a@one.example", inner, "c@one.example")
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item_pb2.Item(id=inner))
    request.item.content.distribution_list.members.add(item_id=outer)
    request.item.content.distribution_list.members.add(person=Named(address="d@one.example"))
    request.update_mask.paths.append("content.distribution_list.members")
    await world.editing.update_item(anna.caller, request)
    sent = await world.submit(anna, await draft(world, anna, outer))
    assert addresses(sent.recipients) == ["a@one.example", "d@one.example", "c@one.example"]


async def test_each_address_gets_one_message_and_stands_once_among_the_recipients_of_a_type(world: MailWorld, anna: Person) -> None:
    list_id = await team(world, anna, "Team", "a@one.example", "B@one.example", "b@ONE.example")
    item_id = await draft(world, anna, list_id, "A@One.example", (CC, list_id), (BCC, "b@one.example"))
    sent = await world.submit(anna, item_id)
    assert addresses(sent.recipients) == ["B@one.example", "A@one.example"]
    [kept] = await world.within(anna, OUTBOX)
    by_type = [(each.type, each.person.address.lower()) for each in kept.content.recipients]
    assert sorted(by_type) == sorted(
        [(TO, "b@one.example"), (TO, "a@one.example"), (CC, "a@one.example"), (CC, "b@one.example"), (BCC, "b@one.example")]
    )


async def test_a_member_without_an_address_is_named_with_the_list_and_nothing_is_sent(world: MailWorld, anna: Person) -> None:
    nobody = await contact(world, anna, "Nobody")
    inner = await team(world, anna, "Inner", nobody)
    bad = DistributionListMember(person=Named(name="Typo", address="not an address"))
    linked = DistributionListMember(uri="urn:uuid:1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
    for members, member, list_name in (([inner], "Nobody", "Inner"), ([bad], "Typo", "Team"), ([linked], linked.uri, "Team")):
        item_id = await draft(world, anna, "x@one.example", await team(world, anna, "Team", *members))
        error = await refused(InvalidArgument, "ADDRESS_INVALID", world.submit(anna, item_id))
        assert member in error.message and list_name in error.message
        assert error.metadata["list"] == list_name
    assert await world.due() == [] and len(await world.within(anna, DRAFTS)) == 3


async def test_a_member_whose_contact_is_gone_has_the_address_that_stands_in_the_list(world: MailWorld, anna: Person) -> None:
    carl = await contact(world, anna, "Carl", "carl@one.example")
    written = DistributionListMember(item_id=carl, person=Named(name="Carl", address="written@one.example"))
    list_id = await team(world, anna, "Team", written)
    assert addresses((await world.submit(anna, await draft(world, anna, list_id))).recipients) == ["carl@one.example"]
    await world.delete(anna, [carl], item_service_pb2.DELETE_MODE_PERMANENT)
    assert addresses((await world.submit(anna, await draft(world, anna, list_id))).recipients) == ["written@one.example"]


async def test_a_list_that_is_not_there_is_named_and_an_empty_one_is_nobody(world: MailWorld, anna: Person, ben: Person) -> None:
    gone, foreign = await team(world, anna, "Gone", "a@one.example"), await team(world, ben, "Ben's", "a@one.example")
    await world.delete(anna, [gone], item_service_pb2.DELETE_MODE_RECOVERABLE)
    for list_id in (gone, foreign, await contact(world, anna, "Carl", "carl@one.example")):
        error = await refused(NotFound, "ITEM_NOT_FOUND", world.submit(anna, await draft(world, anna, list_id)))
        assert "Team" in error.message and error.metadata == {"item_id": text_of(list_id)}
    empty = await team(world, anna, "Empty")
    await refused(FailedPrecondition, "NO_RECIPIENTS", world.submit(anna, await draft(world, anna, empty)))
    assert addresses((await world.submit(anna, await draft(world, anna, empty, "a@one.example"))).recipients) == ["a@one.example"]


async def test_too_many_members_and_too_deep_lists_are_refused(world: MailWorld, anna: Person) -> None:
    large = await team(world, anna, "Large", *(f"{number}@one.example" for number in range(1001)))
    deep = await team(world, anna, "Deepest", "a@one.example")
    for _ in range(MOST_NESTED - 1):
        deep = await team(world, anna, "Deep", deep)
    assert len((await world.submit(anna, await draft(world, anna, deep))).recipients) == 1
    for list_id in (large, await team(world, anna, "Too deep", deep)):
        await refused(InvalidArgument, "LIMIT_EXCEEDED", world.submit(anna, await draft(world, anna, list_id)))


async def test_lists_are_read_beside_the_calls_of_others(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A brief read holds up the whole server while it lasts: a page of lists is none."""
    threads, expand = set(), list_members.expand

    def noted(*arguments: Any) -> None:
        threads.add(threading.current_thread())
        expand(*arguments)

    monkeypatch.setattr(list_members, "expand", noted)
    await world.submit(anna, await draft(world, anna, await team(world, anna, "Some", "a@one.example")))
    assert threads and threading.current_thread() not in threads


async def test_a_message_opens_so_many_lists_and_no_more(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_members, "MOST_LISTS", 3)
    inner = [await team(world, anna, "Inner", f"{number}@one.example") for number in range(3)]
    assert (await world.submit(anna, await draft(world, anna, await team(world, anna, "Some", *inner[:2])))).recipients
    many = await draft(world, anna, await team(world, anna, "Many", *inner))
    await refused(InvalidArgument, "LIMIT_EXCEEDED", world.submit(anna, many))

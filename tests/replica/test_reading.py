"""Reading a replica: the records, the order and the pages that a server gives."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.folder_pb2 import FolderRole
from rookery.v1.item_pb2 import Importance, ItemKind, ItemLife
from rookery.v1.item_service_pb2 import ItemView, SortDirection, SortKey
from rookery.v1.property_pb2 import PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery.v1.sync_pb2 import SyncScope
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.replica_filling import CALENDAR, INBOX, NONE, PROJECTS, TASKS, TEXT, YEAR, Device

ASCENDING = SortDirection.SORT_DIRECTION_ASCENDING


@pytest.fixture
def anna(tmp_path):
    device = Device(tmp_path / "anna.replica")
    yield device
    device.close()


async def subjects(listed):
    return [item.summary.subject async for item in listed]


def unread():
    restriction = Restriction()
    operand = getattr(restriction, "not").operand.compare
    operand.ref.field, operand.operator, operand.value.boolean = "state.read", Restriction.Compare.OPERATOR_EQUAL, True
    return restriction


def says(text):
    content = Restriction.Content(ref=PropertyRef(field="content.body.text"), match=Restriction.Content.MATCH_SUBSTRING, text=text)
    return Restriction(content=content)


async def test_folders_come_in_the_order_of_the_tree(anna):
    names = [folder.name for folder in await anna.client.folders.list()]
    assert names[:3] == ["Inbox", "Drafts", "Deleted Items"] and names[-2:] == ["Projects", "2026"]


async def test_a_folder_is_found_by_id_and_by_role(anna):
    assert (await anna.client.folders.get(YEAR)).parent_id == PROJECTS
    assert (await anna.client.folders.get_role(FolderRole.FOLDER_ROLE_TASKS)).id == TASKS
    with pytest.raises(NotFound) as caught:
        await anna.client.folders.get(b"x" * 16)
    assert caught.value.reason == "FOLDER_NOT_FOUND"


async def test_counters_are_the_servers_with_what_was_changed_here(anna):
    items = [anna.message(f"Message {number}", read=False) for number in range(3)]
    anna.put(*items)
    anna.count(item_count=10, unread_count=7, size_bytes=1000)
    await anna.client.items.set_state([items[0].id], read=True)
    await anna.client.items.move([items[1].id], PROJECTS)
    inbox = await anna.client.folders.get(INBOX)
    assert (inbox.item_count, inbox.unread_count, inbox.size_bytes) == (9, 5, 900)
    projects = await anna.client.folders.get(PROJECTS)
    assert (projects.item_count, projects.unread_count, projects.size_bytes) == (1, 1, 100)


async def test_an_item_comes_whole(anna):
    item = anna.message("Hello", "How are you?")
    anna.put(item)
    found = await anna.client.items.get(item.id)
    item.life = ItemLife.ITEM_LIFE_LIVE
    assert found == item
    summary = await anna.client.items.get(item.id, view=ItemView.ITEM_VIEW_SUMMARY)
    assert not summary.HasField("content") and summary.summary == item.summary


async def test_a_content_that_is_not_here_says_what_to_do(anna):
    item = anna.message("Hello")
    anna.put(item, extent=NONE)
    with pytest.raises(FailedPrecondition, match="rookery sync --depth full") as caught:
        await anna.client.items.get(item.id)
    assert caught.value.reason == "NOT_IN_REPLICA"


async def test_a_content_of_another_revision_is_not_taken_for_the_items_own(anna):
    item = anna.message("Hello", "old")
    anna.put(item)
    anna.put(item, extent=NONE)
    with pytest.raises(FailedPrecondition, match="Hello"):
        await anna.client.items.get(item.id)


async def test_the_first_part_of_a_text_is_given_with_a_word(anna):
    item = anna.message("Hello", "The beg")
    anna.put(item, extent=TEXT)
    assert (await anna.client.items.get(item.id)).content.body.text == "The beg"
    assert anna.client.notes == ["The replica keeps only the first part of this: `rookery sync --depth full` brings all of it."]


async def test_what_a_complete_replica_lacks_does_not_exist(anna):
    with pytest.raises(NotFound) as caught:
        await anna.client.items.get(b"x" * 16)
    assert caught.value.reason == "ITEM_NOT_FOUND"


async def test_what_a_partial_replica_lacks_may_be_on_the_server(tmp_path):
    device = Device(tmp_path / "some.replica", SyncScope(folder_ids=[INBOX]))
    with pytest.raises(FailedPrecondition) as caught:
        await device.client.items.get(b"x" * 16)
    assert caught.value.reason == "NOT_IN_REPLICA"
    with pytest.raises(FailedPrecondition, match="“Projects”"):
        await device.client.items.page(PROJECTS)
    device.put(device.message("Hello"))
    assert await subjects(device.client.items.list(INBOX)) == ["Hello"]
    assert device.client.notes == ["Only some folders are in the replica."]
    device.close()


async def test_many_items_come_in_the_order_asked_for(anna):
    items = [anna.message(f"Message {number}") for number in range(3)]
    anna.put(*items)
    answer = await anna.client.items.batch_get([items[2].id, b"x" * 16, items[0].id])
    assert [item.summary.subject for item in answer.items] == ["Message 2", "Message 0"]
    assert list(answer.missing_ids) == [b"x" * 16]


@pytest.mark.parametrize("page_size", [1, 2, 3, 500])
async def test_lists_by_received_time_page_both_ways(anna, page_size):
    items = [anna.message(f"Message {number}") for number in range(6)]
    for item in items[2:5]:
        item.summary.received.CopyFrom(items[2].summary.received)  # told apart by id
    anna.put(*items)
    await anna.client.items.set_state([items[1].id, items[3].id], read=False)  # rows of the local view among the others
    names = [f"Message {number}" for number in range(6)]
    assert await subjects(anna.client.items.list(INBOX, page_size=page_size)) == names[::-1]
    assert await subjects(anna.client.items.list(INBOX, sort_direction=ASCENDING, page_size=page_size)) == names


@pytest.mark.parametrize("page_size", [1, 2, 500])
@pytest.mark.parametrize(
    ("key", "order"),
    [
        (SortKey.SORT_KEY_FROM, ["C", "a", "B"]),
        (SortKey.SORT_KEY_SUBJECT, ["B", "C", "a"]),
        (SortKey.SORT_KEY_SIZE, ["a", "B", "C"]),
        (SortKey.SORT_KEY_IMPORTANCE, ["B", "C", "a"]),
        (SortKey.SORT_KEY_SENT, ["a", "B", "C"]),
    ],
)
async def test_lists_have_the_orders_of_the_contract(anna, key, order, page_size):
    a = anna.message("Re: zebra", author="b", size=1)
    b = anna.message("Apple", author="Ç", size=2)
    c = anna.message("banana", author="A", size=3)
    a.summary.importance, b.summary.importance = Importance.IMPORTANCE_HIGH, Importance.IMPORTANCE_LOW
    b.summary.sent.seconds, c.summary.sent.seconds = 5, 6
    anna.put(a, b, c)
    named = {a.summary.subject: "a", b.summary.subject: "B", c.summary.subject: "C"}
    listed = anna.client.items.list(INBOX, sort_key=key, sort_direction=ASCENDING, page_size=page_size)
    assert [named[subject] for subject in await subjects(listed)] == order
    listed = anna.client.items.list(INBOX, sort_key=key, page_size=page_size)
    assert [named[subject] for subject in await subjects(listed)] == order[::-1]


async def test_calendars_are_sorted_by_start(anna):
    events = []
    for subject, start in (("later", "2026-03-02T10:00:00"), ("none", ""), ("sooner", "2026-03-01T10:00:00")):
        event = anna.message(subject, folder=CALENDAR, kind=ItemKind.ITEM_KIND_APPOINTMENT)
        if start:
            event.summary.appointment.start.CopyFrom(CalendarTime(local=start, time_zone="Europe/Berlin"))
        events.append(event)
    anna.put(*events)
    listed = anna.client.items.list(CALENDAR, sort_key=SortKey.SORT_KEY_START, sort_direction=ASCENDING)
    assert await subjects(listed) == ["none", "sooner", "later"]


async def test_restrictions_choose_in_every_order(anna):
    anna.put(*(anna.message(f"Message {number}", f"text {number % 3}", read=number % 2 == 0) for number in range(9)))
    listed = anna.client.items.list(INBOX, restriction=unread(), page_size=2)
    assert await subjects(listed) == [f"Message {number}" for number in (7, 5, 3, 1)]
    listed = anna.client.items.list(INBOX, restriction=says("text 1"), sort_key=SortKey.SORT_KEY_SUBJECT, page_size=2)
    assert await subjects(listed) == ["Message 7", "Message 4", "Message 1"]


async def test_a_restriction_on_contents_does_not_pass_over_what_is_not_here(anna):
    anna.put(anna.message("Hello", "text"), extent=NONE)
    with pytest.raises(FailedPrecondition) as caught:
        await anna.client.items.page(INBOX, restriction=says("text"))
    assert caught.value.reason == "NOT_IN_REPLICA"


async def test_pages_go_on_although_items_come_and_go(anna):
    items = [anna.message(f"Message {number}") for number in range(4)]
    anna.put(*items)
    first = await anna.client.items.page(INBOX, sort_key=SortKey.SORT_KEY_SUBJECT, page_size=2)
    anna.remove(items[1])
    anna.put(anna.message("Message 9"))
    second = await anna.client.items.page(INBOX, sort_key=SortKey.SORT_KEY_SUBJECT, page_size=2, page_token=first.next_page_token)
    assert [item.summary.subject for item in (*first.items, *second.items)] == ["Message 3", "Message 2", "Message 0"]
    assert not second.next_page_token


async def test_a_token_belongs_to_its_query(anna):
    anna.put(*(anna.message(f"Message {number}") for number in range(3)))
    token = (await anna.client.items.page(INBOX, page_size=1)).next_page_token
    for other, sort_key in ((PROJECTS, SortKey.SORT_KEY_RECEIVED), (INBOX, SortKey.SORT_KEY_SIZE)):
        with pytest.raises(InvalidArgument) as caught:
            await anna.client.items.page(other, sort_key=sort_key, page_token=token)
        assert caught.value.reason == "PAGE_TOKEN_INVALID"
    with pytest.raises(InvalidArgument):
        await anna.client.items.page(INBOX, page_token="no token")


async def test_what_was_deleted_is_on_the_server_only(anna):
    with pytest.raises(FailedPrecondition, match="go online"):
        await anna.client.items.page(INBOX, life=ItemLife.ITEM_LIFE_RECOVERABLE)


async def test_the_mailbox_tells_what_can_be_told_from_here(anna):
    anna.put(anna.message("Hello"))
    anna.count(item_count=1, size_bytes=100)
    mailbox = await anna.client.mailboxes.get()
    assert (mailbox.address, mailbox.item_count, mailbox.used_bytes) == ("anna@example.org", 1, 100)
    assert [each.id for each in await anna.client.mailboxes.list()] == [mailbox.id]
    with pytest.raises(NotFound) as caught:
        await anna.client.mailboxes.get(b"o" * 16)
    assert caught.value.reason == "MAILBOX_NOT_FOUND"


async def test_faulty_questions_get_the_servers_answers(anna):
    with pytest.raises(InvalidArgument) as caught:
        await anna.client.items.page(INBOX, page_size=501)
    assert caught.value.reason == "LIMIT_EXCEEDED"
    with pytest.raises(InvalidArgument) as caught:
        await anna.client.items.page(INBOX, restriction=Restriction(exists=Restriction.Exists(ref=PropertyRef(field="no.field"))))
    assert caught.value.reason == "FIELD_UNKNOWN"
    wrong = Restriction.Compare(ref=PropertyRef(field="state.read"), operator=1, value=PropertyValue(text="yes"))
    with pytest.raises(InvalidArgument) as caught:
        await anna.client.items.page(INBOX, restriction=Restriction(compare=wrong))
    assert caught.value.reason == "RESTRICTION_INVALID"

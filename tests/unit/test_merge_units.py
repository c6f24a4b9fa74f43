"""Merge units: which fields belong together, and how entries of lists are named."""

from __future__ import annotations

import pytest

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Attachment, Item, ItemContent, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person
from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue
from rookery_core.errors import InvalidArgument
from rookery_core.rules import list_edits, ownership, units


def to(address: str, name: str = "") -> Recipient:
    return Recipient(type=item_pb2.RECIPIENT_TYPE_TO, person=Person(name=name, address=address))


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("content.body", "body"),
        ("content.body.html", "body"),
        ("summary.appointment.end", "time"),
        ("summary.appointment.start.local", "time"),
        ("summary.appointment.recurrence", "time"),
        ("summary.appointment.location", "summary.appointment.location"),
        ("summary.task.due", "time"),
        ("summary.task.percent_complete", "progress"),
        ("summary.journal.end", "time"),
        ("summary.subject", "summary.subject"),
        ("content.contact.name.given", "content.contact.name"),
    ],
)
def test_a_path_belongs_to_one_unit(path: str, unit: str) -> None:
    assert units.units_of(path) == {path: unit}


def test_a_mask_is_widened_to_whole_units_of_the_same_kind() -> None:
    assert units.whole_units(["summary.task.status", "summary.subject", "summary.task.completed"]) == [
        "summary.task.status",
        "summary.task.percent_complete",
        "summary.task.completed",
        "summary.subject",
    ]
    assert units.whole_units(["content.contact.name.given", "content.recipients"]) == ["content.contact.name", "content.recipients"]


def test_all_paths_of_units_are_writable_and_short_enough_for_their_column() -> None:
    for part in ("summary", "content"):
        for field in Item.DESCRIPTOR.fields_by_name[part].message_type.fields:  # type: ignore[union-attr]
            for path, unit in units.units_of(f"{part}.{field.name}").items():
                assert len(unit) <= units.UNIT_LENGTH
                if ownership.owner_of(field) in {0, 1}:
                    assert path in units.paths_of(unit)
                    ownership.require_writable(Item.DESCRIPTOR, path)


def test_entries_are_named_by_their_keys() -> None:
    assert units.recipient_unit(to("Anna@Example.org")) == "recipient:to:anna@example.org"
    assert units.recipient_unit(Recipient(person=Person(name="Anna"))) == "recipient:to:anna"
    lists = {units.recipient_unit(Recipient(person=Person(name="Team"), list_item_id=bytes([n]) * 16)) for n in (1, 2)}
    assert len(lists) == 2, "two lists may have one name"
    assert units.attachment_unit(3) == "attachment:3"
    assert units.property_unit(PropertyKey(tag=0x3001)) == "property:0x3001"
    named = PropertyKey(named=PropertyKey.Name(property_set=b"\1" * 16, lid=7))
    assert units.property_unit(named) == f"property:{'01' * 16}:7"


@pytest.mark.parametrize("address", ["x" * 80 + "@example.org", '"a,b"@example.org', "nul\0@example.org"])
def test_a_key_that_no_column_takes_is_hashed(address: str) -> None:
    unit = units.recipient_unit(to(address))
    assert unit.startswith("recipient:") and len(unit) <= units.UNIT_LENGTH and "," not in unit and unit.isprintable()
    assert unit != units.recipient_unit(to(address + "x"))


def test_list_edits_remove_and_then_add() -> None:
    item = Item(content=ItemContent(recipients=[to("a@x"), to("b@x")], attachments=[Attachment(id=1), Attachment(id=2)]))
    item.content.properties.append(Property(key=PropertyKey(tag=1), value=PropertyValue(boolean=True)))
    edits = ListEdits(
        add_recipients=[to("c@x"), to("A@x", "A")],
        remove_recipients=[to("b@x"), to("nobody@x")],
        remove_attachment_ids=[1, 7],
        add_attachments=[Attachment(name="new", upload_id=b"u" * 16, id=9, size_bytes=5)],
        set_properties=[Property(key=PropertyKey(tag=2), value=PropertyValue(text="two"))],
        remove_properties=[PropertyKey(tag=1)],
    )
    list_edits.apply(item, edits, provisional=False)
    assert [(each.person.address, each.person.name) for each in item.content.recipients] == [("A@x", "A"), ("c@x", "")]
    assert list(item.content.attachments) == [Attachment(id=2), Attachment(name="new", upload_id=b"u" * 16)]
    assert [each.key.tag for each in item.content.properties] == [2]


def test_a_device_shows_what_it_attached_before_the_server_has_it() -> None:
    item = Item()
    added = Attachment(name="new", upload_id=b"u" * 16, size_bytes=5)
    list_edits.apply(item, ListEdits(add_attachments=[added]), provisional=True)
    assert list(item.content.attachments) == [Attachment(name="new", size_bytes=5)]


def test_removing_from_an_item_without_the_list_changes_nothing() -> None:
    item = Item()
    list_edits.apply(item, ListEdits(remove_recipients=[to("a@x")], remove_attachment_ids=[1]), provisional=False)
    assert item == Item() and not item.HasField("content")


def test_a_list_is_replaced_or_edited_but_not_both() -> None:
    edits = ListEdits(add_recipients=[to("a@x")])
    list_edits.require_beside(edits, ["content.attachments", "summary.subject"])
    with pytest.raises(InvalidArgument, match="only one of the two"):
        list_edits.require_beside(edits, ["content.recipients"])


def test_an_attachment_is_added_by_its_upload_only() -> None:
    with pytest.raises(InvalidArgument) as refused:
        list_edits.require_beside(ListEdits(add_attachments=[Attachment(name="x")]), [])
    assert refused.value.field == "list_edits.add_attachments[0].upload_id"

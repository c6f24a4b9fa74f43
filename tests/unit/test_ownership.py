"""Masks change what clients own, and nothing else, whatever they name."""

from __future__ import annotations

from rookery.v1.item_pb2 import Header, Item
from rookery_core.rules import ownership


def stored() -> Item:
    """An imported message."""
    item = Item()
    item.summary.subject = "Hello"
    item.summary.message.message_id = "1@example.org"
    item.summary.message.list_id = "list.example.org"
    item.summary.message.draft = True
    item.summary.message.sender.address = "erika@example.org"
    item.content.body.text = "Hello"
    item.content.body.truncated = True
    item.content.message.headers.add(name="X-One", value="1")
    item.content.message.has_original = True
    item.content.message.in_reply_to = "0@example.org"
    item.content.message.references.append("0@example.org")
    return item


def apply(target: Item, source: Item, *paths: str) -> Item:
    for path in paths:
        ownership.apply_mask(target, source, ownership.require_writable(Item.DESCRIPTOR, path))
    return target


def test_a_message_absent_from_the_source_keeps_what_the_server_owns_in_it() -> None:
    message = apply(stored(), Item(), "content.message").content.message
    assert list(message.headers) == [Header(name="X-One", value="1")]
    assert message.has_original
    assert not message.in_reply_to and not message.references


def test_a_message_absent_from_the_source_keeps_what_the_first_writer_set_in_it() -> None:
    message = apply(stored(), Item(), "summary.message").summary.message
    assert (message.message_id, message.list_id) == ("1@example.org", "list.example.org")
    assert not message.draft
    assert not message.HasField("sender")


def test_a_message_absent_from_the_source_is_gone_if_nothing_in_it_is_owned_by_others() -> None:
    item = stored()
    item.content.body.truncated = False
    assert not apply(item, Item(), "content.body").content.HasField("body")
    assert apply(stored(), Item(), "content.body").content.body.truncated
    sender = apply(stored(), Item(), "summary.message.sender").summary.message
    assert not sender.HasField("sender")


def test_a_message_within_a_message_that_is_replaced_keeps_what_the_server_owns_too() -> None:
    item, source = stored(), Item()
    source.content.message.in_reply_to = "2@example.org"
    source.content.message.has_original = False
    message = apply(item, source, "content.message").content.message
    assert (message.in_reply_to, message.has_original, len(message.headers)) == ("2@example.org", True, 1)
    assert not message.references


def test_clearing_what_is_not_there_sets_nothing() -> None:
    item = Item()
    apply(item, Item(), "content.message", "summary.message", "content.body", "summary.sent")
    assert item.content == Item().content
    assert not item.summary.HasField("message")
    assert not item.summary.HasField("sent")


def test_a_message_that_the_source_sets_empty_is_there_and_empty() -> None:
    item, source = Item(), Item()
    source.content.body.SetInParent()
    assert apply(item, source, "content.body").content.HasField("body")

"""Edits of an item's lists, entry by entry: recipients, attachments, extended properties. Server and replica apply them alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.item_service_pb2 import ListEdits
from rookery_core.errors import InvalidArgument
from rookery_core.rules import ownership, units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_core.rules.units import KeyedList


def apply(item: Item, edits: ListEdits, *, provisional: bool) -> None:
    """Removes and then adds the entries. What is there already is replaced where it is; what is not there is gone already.

    An added attachment keeps its upload_id or copy_of, for whoever links its bytes and gives the attachment an id. ``provisional``
    is for a device's own view of what it has not pushed yet: there the attachment is shown as the device describes it, with id 0.
    """
    _take_off(item, units.RECIPIENTS, map(units.recipient_unit, edits.remove_recipients))
    _take_off(item, units.ATTACHMENTS, map(units.attachment_unit, edits.remove_attachment_ids))
    _take_off(item, units.PROPERTIES, map(units.property_unit, edits.remove_properties))
    _put(item, units.RECIPIENTS, edits.add_recipients)
    _put(item, units.PROPERTIES, edits.set_properties)
    for added in edits.add_attachments:
        _attach(item, added, provisional=provisional)


def units_of(edits: ListEdits) -> set[str]:
    """The merge units that the edits touch. Added attachments are new, and so nobody's else."""
    touched = {units.recipient_unit(each) for each in (*edits.add_recipients, *edits.remove_recipients)}
    touched.update(units.attachment_unit(each) for each in edits.remove_attachment_ids if each)
    touched.update(units.property_unit(each.key) for each in edits.set_properties)
    touched.update(map(units.property_unit, edits.remove_properties))
    return touched


def only(edits: ListEdits, taken: Callable[[str], bool]) -> ListEdits:
    """The edits of those units; added attachments always."""
    return ListEdits(
        add_recipients=[each for each in edits.add_recipients if taken(units.recipient_unit(each))],
        remove_recipients=[each for each in edits.remove_recipients if taken(units.recipient_unit(each))],
        add_attachments=edits.add_attachments,
        remove_attachment_ids=[each for each in edits.remove_attachment_ids if taken(units.attachment_unit(each))],
        set_properties=[each for each in edits.set_properties if taken(units.property_unit(each.key))],
        remove_properties=[each for each in edits.remove_properties if taken(units.property_unit(each))],
    )


def is_empty(edits: ListEdits) -> bool:
    """Whether they edit nothing."""
    return not any(len(entries) for _, entries in edits.ListFields())


def require_beside(edits: ListEdits, paths: Iterable[str]) -> None:
    """InvalidArgument ``FIELD_INVALID`` if the mask names a list that is edited by entry, or an added attachment has no source."""
    edited = {
        units.RECIPIENTS.path: len(edits.add_recipients) + len(edits.remove_recipients),
        units.ATTACHMENTS.path: len(edits.add_attachments) + len(edits.remove_attachment_ids),
        units.PROPERTIES.path: len(edits.set_properties) + len(edits.remove_properties),
    }
    for path in paths:
        if edited.get(path):
            message = f"“{path}” is named by the update mask and edited by list_edits: only one of the two can be"
            raise InvalidArgument("FIELD_INVALID", message, field="list_edits")
    for index, added in enumerate(edits.add_attachments):
        if bool(added.upload_id) == added.HasField("copy_of"):
            message = "an added attachment needs the upload_id of a finished upload, or a copy_of, and not both"
            raise InvalidArgument("FIELD_INVALID", message, field=f"list_edits.add_attachments[{index}].upload_id")


def _take_off(item: Item, named: KeyedList, gone: Iterable[str]) -> None:
    doomed = set(gone)
    if doomed and not doomed.isdisjoint(named.by_unit(item)):
        named.replace(item, [entry for entry in named.entries(item) if named.unit_of(entry) not in doomed])


def _put(item: Item, named: KeyedList, added: Iterable[Any]) -> None:
    there = named.by_unit(item)
    for entry in added:
        unit = named.unit_of(entry)
        if unit in there:
            there[unit].CopyFrom(entry)
        else:
            named.entries(item).append(entry)
            there[unit] = named.entries(item)[-1]


def _attach(item: Item, added: Attachment, *, provisional: bool) -> None:
    attachment = item.content.attachments.add()
    attachment.CopyFrom(added)
    if provisional:
        attachment.ClearField("upload_id")
        attachment.ClearField("copy_of")
        attachment.ClearField("id")
    else:
        ownership.clear_server_owned(attachment)

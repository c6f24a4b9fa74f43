"""From lists replaced whole to edits of their entries: an update that waits must not undo what others did to a list meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import ItemContent
from rookery.v1.item_service_pb2 import ListEdits, UpdateItemRequest
from rookery.v1.options_pb2 import FIELD_OWNER_CLIENT
from rookery_core.rules import ownership, units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rookery.v1.item_pb2 import Item

_CONTENT = "content"
_LISTS = frozenset({units.RECIPIENTS.path, units.ATTACHMENTS.path, units.PROPERTIES.path})


def touches_lists(request: UpdateItemRequest) -> bool:
    """Whether the mask names a keyed list, or all of the content."""
    return any(path == _CONTENT or path in _LISTS for path in request.update_mask.paths)


def by_entry(request: UpdateItemRequest, before: Item) -> UpdateItemRequest:
    """The request with edits in place of the lists that its mask names; ``before`` is the item as the person sees it, whole.

    The order of a list is not among what can be edited by entry: new entries come to its end.
    """
    changed = UpdateItemRequest()
    changed.CopyFrom(request)
    paths = list(dict.fromkeys(_expanded(request, before)))
    changed.update_mask.paths[:] = [path for path in paths if path not in _LISTS]
    edits, wanted = changed.list_edits, request.item
    if units.RECIPIENTS.path in paths:
        _edit_recipients(edits, before, wanted)
    if units.ATTACHMENTS.path in paths:
        kept = {attachment.id for attachment in wanted.content.attachments}
        new = (each for each in wanted.content.attachments if each.upload_id or each.HasField("copy_of"))
        edits.add_attachments.extend(new)
        edits.remove_attachment_ids.extend(each.id for each in before.content.attachments if each.id not in kept)
    if units.PROPERTIES.path in paths:
        _edit_properties(edits, before, wanted)
    for field in (changed.item.content.recipients, changed.item.content.attachments, changed.item.content.properties):
        del field[:]
    return changed


def _expanded(request: UpdateItemRequest, before: Item) -> Iterator[str]:
    """The mask's paths, with those of the content's parts in place of the whole."""
    arms = {each.WhichOneof("detail") for each in (request.item.content, before.content)}
    for path in request.update_mask.paths:
        if path != _CONTENT:
            yield path
            continue
        for field in ItemContent.DESCRIPTOR.fields:
            one_of_others = field.containing_oneof is not None and field.name not in arms
            if ownership.owner_of(field) == FIELD_OWNER_CLIENT and not one_of_others:
                yield f"{_CONTENT}.{field.name}"


def _edit_recipients(edits: ListEdits, before: Item, wanted: Item) -> None:
    old, new = units.RECIPIENTS.by_unit(before), units.RECIPIENTS.by_unit(wanted)
    edits.add_recipients.extend(entry for unit, entry in new.items() if old.get(unit) != entry)
    edits.remove_recipients.extend(_without(old, new.keys()))


def _edit_properties(edits: ListEdits, before: Item, wanted: Item) -> None:
    old, new = units.PROPERTIES.by_unit(before), units.PROPERTIES.by_unit(wanted)
    edits.set_properties.extend(entry for unit, entry in new.items() if old.get(unit) != entry)
    edits.remove_properties.extend(entry.key for entry in _without(old, new.keys()))


def _without(entries: dict[str, Any], kept: Collection[str]) -> list[Any]:
    return [entry for unit, entry in entries.items() if unit not in kept]

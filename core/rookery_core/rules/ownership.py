"""Who may write a field: the ``owner`` option of the contract, enforced the same way on every path."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from rookery.v1 import options_pb2
from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_MESSAGE = FieldDescriptor.TYPE_MESSAGE


def owner_of(field: FieldDescriptor) -> int:
    """The FieldOwner of a field; the client's where the contract says nothing."""
    owner = field.GetOptions().Extensions[options_pb2.owner]
    return owner or options_pb2.FIELD_OWNER_CLIENT


@functools.cache
def _plan(descriptor: Descriptor) -> tuple[tuple[str, ...], tuple[tuple[str, Descriptor, bool], ...]]:
    """The fields of a message that the server owns, and those message fields below which it owns some."""
    own, below = [], []
    for field in descriptor.fields:
        if owner_of(field) == options_pb2.FIELD_OWNER_SERVER:
            own.append(field.name)
        elif field.message_type is not None and field.message_type is not descriptor:
            inner_own, inner_below = _plan(field.message_type)
            if inner_own or inner_below:
                below.append((field.name, field.message_type, field.is_repeated))
    return tuple(own), tuple(below)


def clear_server_owned(message: Message) -> None:
    """Takes out what a client may not set: the values of server-owned fields are ignored on create."""
    own, below = _plan(message.DESCRIPTOR)
    for name in own:
        message.ClearField(name)
    for name, _, repeated in below:
        if repeated:
            for inner in getattr(message, name):
                clear_server_owned(inner)
        elif message.HasField(name):
            clear_server_owned(getattr(message, name))


def resolve(descriptor: Descriptor, path: str) -> list[FieldDescriptor]:
    """The fields along a path. InvalidArgument ``FIELD_UNKNOWN`` if there is no such path; paths end at repeated fields."""
    fields: list[FieldDescriptor] = []
    at: Descriptor | None = descriptor
    for name in path.split("."):
        field = at.fields_by_name.get(name) if at is not None else None
        if field is None:
            raise InvalidArgument("FIELD_UNKNOWN", f"there is no field “{path[:100]}”", field="update_mask")
        fields.append(field)
        at = field.message_type if field.type == _MESSAGE and not field.is_repeated else None
    return fields


def require_writable(descriptor: Descriptor, path: str) -> list[FieldDescriptor]:
    """The fields along a path that a client may update. InvalidArgument ``FIELD_NOT_WRITABLE`` or ``FIELD_UNKNOWN``."""
    fields = resolve(descriptor, path)
    for field in fields:
        if owner_of(field) == options_pb2.FIELD_OWNER_SERVER:
            raise InvalidArgument("FIELD_NOT_WRITABLE", f"“{path}” is set by the server", field="update_mask")
        if owner_of(field) == options_pb2.FIELD_OWNER_CREATE_ONLY:
            raise InvalidArgument("FIELD_NOT_WRITABLE", f"“{path}” can not change once it is set", field="update_mask")
    return fields


def apply_mask(target: Message, source: Message, fields: list[FieldDescriptor]) -> None:
    """Sets one path of ``target`` to what ``source`` has there; absent in the source means cleared.

    Messages and repeated fields are replaced whole, but what the server or the first writer owns inside a message that is
    replaced or cleared stays as it was in the target. A cleared message in which nothing such is set is gone.
    """
    for field in fields[:-1]:
        source = getattr(source, field.name)
        target = getattr(target, field.name)
    leaf = fields[-1]
    if leaf.is_repeated:
        target.ClearField(leaf.name)
        getattr(target, leaf.name).MergeFrom(getattr(source, leaf.name))
    elif leaf.type == _MESSAGE:
        _replace_message(target, source, leaf)
    elif leaf.has_presence and not source.HasField(leaf.name):
        target.ClearField(leaf.name)
    else:
        setattr(target, leaf.name, getattr(source, leaf.name))


def _replace_message(target: Message, source: Message, leaf: FieldDescriptor) -> None:
    wanted = source.HasField(leaf.name)
    if not wanted and not target.HasField(leaf.name):
        return
    inner_target, inner_source = getattr(target, leaf.name), getattr(source, leaf.name)
    if wanted:
        inner_target.SetInParent()
    for field in inner_target.DESCRIPTOR.fields:
        if owner_of(field) == options_pb2.FIELD_OWNER_CLIENT:
            apply_mask(inner_target, inner_source, [field])
    if not wanted and not inner_target.ListFields():
        target.ClearField(leaf.name)

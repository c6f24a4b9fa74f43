"""Enum numbers that this version does not know: proto3 lets any number through, but nobody can do what it stands for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message

_REFUSED_ALONE = "rookery.v1.SyncOperation"


class _Plan(NamedTuple):
    """Where the enums of a kind of message are."""

    enums: tuple[tuple[str, frozenset[int]], ...]
    """Enum fields: name, known numbers."""
    below: tuple[tuple[str, bool], ...]
    """Message fields with enums somewhere below them: name, whether repeated."""


def require_known_enums(message: Message, field: str = "") -> None:
    """InvalidArgument ``FIELD_INVALID`` with the path of the first enum, at any depth, whose number has no name.

    ``field`` is the path of the message itself; "" for a whole request. Lists of enums are passed over: the contract has them where
    a client offers what it can take (``accept_encodings``), and an unknown offer is one that is not taken; and in a scope
    (``kinds``), which looks at them itself. So are operations within a request of Push, each of which is refused alone. What can
    hold no enum costs one look-up.
    """
    plan = _plan(message.DESCRIPTOR)
    for name, known in plan.enums:
        number = getattr(message, name)
        if number not in known:
            path = _path(field, name)
            raise InvalidArgument("FIELD_INVALID", f"this server knows no value {number} of {path}", field=path)
    for name, repeated in plan.below:
        if repeated:
            for index, inner in enumerate(getattr(message, name)):
                require_known_enums(inner, _path(field, name, index))
        elif message.HasField(name):
            require_known_enums(getattr(message, name), _path(field, name))


@functools.cache
def _plan(descriptor: Descriptor) -> _Plan:
    enums = tuple((field.name, frozenset(known.values_by_number)) for field, known in _enums(descriptor))
    below = tuple(
        (field.name, field.is_repeated)
        for field in descriptor.fields
        if field.message_type and field.message_type.full_name != _REFUSED_ALONE and _has_enums(field.message_type)
    )
    return _Plan(enums, below)


@functools.cache
def _has_enums(descriptor: Descriptor) -> bool:
    """Whether there is an enum in the message or below it. Messages may hold themselves."""
    seen, waiting = {descriptor.full_name}, [descriptor]
    while waiting:
        looked_at = waiting.pop()
        if any(_enums(looked_at)):
            return True
        for field in looked_at.fields:
            if field.message_type and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return False


def _enums(descriptor: Descriptor) -> Iterator[tuple[FieldDescriptor, EnumDescriptor]]:
    return ((field, field.enum_type) for field in descriptor.fields if field.enum_type and not field.is_repeated)


def _path(field: str, name: str, index: int | None = None) -> str:
    path = f"{field}.{name}" if field else name
    return path if index is None else f"{path}[{index}]"

"""The options of `ls` as a tree of conditions."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import FlagStatus, ItemKind
from rookery.v1.property_pb2 import PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

Compare = Restriction.Compare


def compare(field: str, operator: Compare.Operator.ValueType, value: PropertyValue) -> Restriction:
    """A condition on one field."""
    return Restriction(compare=Compare(ref=PropertyRef(field=field), operator=operator, value=value))


def unread() -> Restriction:
    """Not read yet."""
    read = compare("state.read", Compare.OPERATOR_EQUAL, PropertyValue(boolean=True))
    restriction = Restriction()
    getattr(restriction, "not").operand.CopyFrom(read)
    return restriction


def flagged() -> Restriction:
    """Flagged for follow-up."""
    value = PropertyValue(int32=FlagStatus.FLAG_STATUS_FLAGGED)
    return compare("state.follow_up.status", Compare.OPERATOR_EQUAL, value)


def category(name: str) -> Restriction:
    """Has the category, by case-fold."""
    return compare("state.categories", Compare.OPERATOR_EQUAL, PropertyValue(text=name))


def has_attachment() -> Restriction:
    """Has an attachment."""
    return compare("summary.has_attachments", Compare.OPERATOR_EQUAL, PropertyValue(boolean=True))


def of_kind(kind: ItemKind.ValueType) -> Restriction:
    """Is of the kind."""
    return compare("summary.kind", Compare.OPERATOR_EQUAL, PropertyValue(int32=kind))


def since(field: str, text: str) -> Restriction:
    """Not before a day or a moment."""
    return compare(field, Compare.OPERATOR_GREATER_OR_EQUAL, _value(moment(text, "--since")))


def until(field: str, text: str) -> Restriction:
    """Not after a moment; of a day, not after its end."""
    if _is_date(text):
        return compare(field, Compare.OPERATOR_LESS, _value(moment(text, "--until", days=1)))
    return compare(field, Compare.OPERATOR_LESS_OR_EQUAL, _value(moment(text, "--until")))


def all_of(conditions: Iterable[Restriction]) -> Restriction | None:
    """All of the conditions; None if there are none."""
    found = list(conditions)
    if len(found) < 2:
        return found[0] if found else None
    restriction = Restriction()
    getattr(restriction, "and").operands.extend(found)
    return restriction


def _is_date(text: str) -> bool:
    """Whether it is a day in any of the forms of ISO 8601: 2026-03-01, 20260301, 2026-W09-7."""
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def moment(text: str, option: str, *, days: int = 0) -> Timestamp:
    """A time that people wrote: 2026-03-01, 2026-03-01T09:30, with a zone or else on the machine's own clock; or `days` later.

    InvalidArgument ``FIELD_INVALID`` if it is none, or lies outside the years 1 to 9999.
    """
    time = Timestamp()
    try:
        time.FromDatetime((datetime.datetime.fromisoformat(text) + datetime.timedelta(days=days)).astimezone())
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", f"{option} {text} is beyond the years 1 to 9999", field=option) from None
    except (ValueError, OSError):
        message = f"{option} {text}: write a date like 2026-03-01 or a time like 2026-03-01T09:30"
        raise InvalidArgument("FIELD_INVALID", message, field=option) from None
    return time


def _value(time: Timestamp) -> PropertyValue:
    return PropertyValue(time=time)


def any_of(conditions: Iterable[Restriction]) -> Restriction:
    """At least one of the conditions."""
    restriction = Restriction()
    getattr(restriction, "or").operands.extend(conditions)
    return restriction

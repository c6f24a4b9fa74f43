"""How the time of an invitation shows to others, by what its owner answered (PidLidBusyStatus, PidLidIntendedBusyStatus)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_pb2

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import BusyStatus, ResponseStatus
    from rookery.v1.item_pb2 import Item

_UNSPECIFIED = calendar_pb2.BUSY_STATUS_UNSPECIFIED
_FREE = calendar_pb2.BUSY_STATUS_FREE
_BUSY = calendar_pb2.BUSY_STATUS_BUSY
_TENTATIVE = calendar_pb2.BUSY_STATUS_TENTATIVE
_ACCEPTED = calendar_pb2.RESPONSE_STATUS_ACCEPTED
_DECLINED = calendar_pb2.RESPONSE_STATUS_DECLINED


def showing(response: ResponseStatus.ValueType, intended: BusyStatus.ValueType) -> BusyStatus.ValueType:
    """What follows from an answer: what the organiser intends where it is accepted. What is meant to be free is never taken."""
    if intended == _FREE or response == _DECLINED:
        return _FREE
    return (intended or _BUSY) if response == _ACCEPTED else _TENTATIVE


def intended(copy: Item) -> BusyStatus.ValueType:
    """What the organiser intends. Of a copy that does not say so, what shows as free without having been declined is meant to."""
    appointment = copy.summary.appointment
    is_free = appointment.busy_status == _FREE and appointment.my_response != _DECLINED
    return copy.content.appointment.meeting.intended_busy_status or (_FREE if is_free else _BUSY)


def usual(copy: Item) -> BusyStatus.ValueType:
    """How a copy shows, unless its owner chose otherwise."""
    return showing(copy.summary.appointment.my_response, intended(copy))


def follow(shown: BusyStatus.ValueType, before: BusyStatus.ValueType, after: BusyStatus.ValueType) -> BusyStatus.ValueType:
    """How it shows where that should be ``after`` and no longer ``before``. What the owner chose otherwise stays."""
    return after if shown in {_UNSPECIFIED, before} else shown

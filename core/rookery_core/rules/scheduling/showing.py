"""How the time of an invitation shows to others, by what its owner answered (PidLidBusyStatus, PidLidIntendedBusyStatus)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_pb2

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import BusyStatus, ResponseStatus

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


def answered(
    shown: BusyStatus.ValueType, before: ResponseStatus.ValueType, after: ResponseStatus.ValueType, intended: BusyStatus.ValueType
) -> BusyStatus.ValueType:
    """How it shows after another answer, or where it is asked for anew. What the owner chose otherwise stays."""
    if shown and shown not in {showing(before, _BUSY), showing(before, _FREE)}:
        return shown
    return showing(after, intended)


def intended(shown: BusyStatus.ValueType, response: ResponseStatus.ValueType) -> BusyStatus.ValueType:
    """What the organiser intends, as far as a copy tells: what shows as free without having been declined is meant to."""
    return _FREE if shown == _FREE and response != _DECLINED else _BUSY

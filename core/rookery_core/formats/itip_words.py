"""The words of iTIP (RFC 5546 section 1.4), and who speaks with which."""

from __future__ import annotations

from rookery.v1.scheduling_pb2 import SchedulingMethod

METHODS = {
    "REQUEST": SchedulingMethod.SCHEDULING_METHOD_REQUEST,
    "REPLY": SchedulingMethod.SCHEDULING_METHOD_REPLY,
    "COUNTER": SchedulingMethod.SCHEDULING_METHOD_COUNTER,
    "CANCEL": SchedulingMethod.SCHEDULING_METHOD_CANCEL,
    "DECLINECOUNTER": SchedulingMethod.SCHEDULING_METHOD_DECLINE_COUNTER,
    "REFRESH": SchedulingMethod.SCHEDULING_METHOD_REFRESH,
    "PUBLISH": SchedulingMethod.SCHEDULING_METHOD_PUBLISH,
    "ADD": SchedulingMethod.SCHEDULING_METHOD_ADD,
}
"""METHOD."""
ANSWERS = frozenset(
    {
        SchedulingMethod.SCHEDULING_METHOD_REPLY,
        SchedulingMethod.SCHEDULING_METHOD_COUNTER,
        SchedulingMethod.SCHEDULING_METHOD_REFRESH,
    }
)
"""What an attendee says to the organizer."""
TIMED = frozenset(
    {
        SchedulingMethod.SCHEDULING_METHOD_REQUEST,
        SchedulingMethod.SCHEDULING_METHOD_PUBLISH,
        SchedulingMethod.SCHEDULING_METHOD_ADD,
        SchedulingMethod.SCHEDULING_METHOD_COUNTER,
    }
)
"""What tells of an event that has to have a start (RFC 5546 sections 3.2.1 to 3.2.8)."""
INTENDED = "X-MICROSOFT-CDO-INTENDEDSTATUS"
"""How the time is to show once the invitation is accepted (MS-OXCICAL 2.1.3.1.1.20.33)."""

"""How a calendar is set: what holds where nothing was set, and what may be set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT, ACCOUNT_KIND_ROOM
from rookery.v1.availability_service_pb2 import FREE_BUSY_DETAIL_TIMES, BookingRules, CalendarSettings, FreeBusyDetail
from rookery_core.rules import checks, limits
from rookery_core.rules.availability import wording, working_hours

if TYPE_CHECKING:
    from rookery.v1.admin_service_pb2 import AccountKind

MOST_DAYS = 36_500
"""A horizon of a hundred years is as good as none."""
MOST_MINUTES = 1_440 * 366
MOST_PEOPLE = 1_000_000


def is_bookable(kind: int) -> bool:
    """Whether it is a room or a piece of equipment."""
    return kind in {ACCOUNT_KIND_ROOM, ACCOUNT_KIND_EQUIPMENT}


def usual_booking() -> BookingRules:
    """How rooms and equipment are booked where nothing was set: as Exchange's resource mailboxes."""
    return BookingRules(automatic=True, horizon_days=180, longest_minutes=1_440, recurring=True)


def whole(settings: CalendarSettings, kind: int) -> CalendarSettings:
    """The settings with what holds where nothing was set; ``kind`` is the account's."""
    found = CalendarSettings()
    found.CopyFrom(settings)
    if not settings.HasField("working_hours"):
        found.working_hours.CopyFrom(working_hours.usual())
    found.free_busy_detail = settings.free_busy_detail or FREE_BUSY_DETAIL_TIMES
    if not is_bookable(kind):
        found.ClearField("booking")
    elif not settings.HasField("booking"):
        found.booking.CopyFrom(usual_booking())
    return found


def checked(settings: CalendarSettings, kind: AccountKind.ValueType) -> CalendarSettings:
    """The settings as they are kept. InvalidArgument ``FIELD_INVALID`` or ``LIMIT_EXCEEDED`` with the path of what is wrong."""
    kept = CalendarSettings()
    kept.CopyFrom(settings)
    if settings.HasField("working_hours"):
        kept.working_hours.CopyFrom(working_hours.checked(settings.working_hours, "settings.working_hours"))
    if settings.free_busy_detail not in FreeBusyDetail.values():
        raise checks.invalid("what others see is TIMES or SUBJECTS", "settings.free_busy_detail")
    if settings.HasField("booking"):
        if not is_bookable(kind):
            raise checks.invalid("only rooms and equipment have booking rules", "settings.booking")
        _check_booking(settings.booking, "settings.booking")
    return kept


def _check_booking(rules: BookingRules, field: str) -> None:
    for name, most in (
        ("horizon_days", MOST_DAYS),
        ("longest_minutes", MOST_MINUTES),
        ("conflict_percent", 100),
        ("capacity", MOST_PEOPLE),
    ):
        if getattr(rules, name) > most:
            raise checks.invalid(f"{name} is at most {most:,}", f"{field}.{name}")
    checks.no_longer(rules.location, limits.LOCATION, f"{field}.location")


def booking_text(rules: BookingRules) -> str:
    """The rules for people, in one line."""
    if not rules.automatic:
        words = ["a person answers"]
    else:
        ahead = wording.length(rules.horizon_days * working_hours.DAY_MINUTES) if rules.horizon_days else ""
        allowed = f", {rules.conflict_percent} of 100 may be taken" if rules.conflict_percent and not rules.conflicts else ""
        words = [
            "answers by itself",
            f"{ahead} ahead" if ahead else "any time ahead",
            f"{wording.length(rules.longest_minutes)} at most" if rules.longest_minutes else "however long",
            f"series too{allowed}" if rules.recurring else "no series",
            "also where it is taken already" if rules.conflicts else "",
            "also for people elsewhere" if rules.outsiders else "",
            "only in its hours" if rules.working_hours_only else "",
        ]
    words += [f"room for {rules.capacity:,}" if rules.capacity else "", rules.location]
    return "; ".join(word for word in words if word)

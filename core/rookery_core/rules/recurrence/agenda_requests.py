"""What a ListOccurrencesRequest asks for, checked; the server and a replica both begin with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery_core.errors import InvalidArgument
from rookery_core.rules import checks, zones
from rookery_core.rules.ids import require_id
from rookery_core.rules.recurrence.agenda import Window

if TYPE_CHECKING:
    from rookery.v1.calendar_service_pb2 import ListOccurrencesRequest

MOST_FOLDERS = 100
MOST_OCCURRENCES = 5_000
_DEFAULT_PAGE = 500


class Asked(NamedTuple):
    """A request whose form is right."""

    folder_ids: list[bytes]
    window: Window
    most: int
    """Occurrences a page."""


def asked(request: ListOccurrencesRequest) -> Asked:
    """InvalidArgument ``FIELD_INVALID`` or ``LIMIT_EXCEEDED`` for what can not be answered; folders may not be there."""
    if not request.folder_ids:
        raise checks.invalid("say which calendars: folder_ids", "folder_ids")
    checks.at_most(len(request.folder_ids), MOST_FOLDERS, "folder_ids")
    folder_ids = [require_id(each, f"folder_ids[{index}]") for index, each in enumerate(dict.fromkeys(request.folder_ids))]
    for name in ("window_start", "window_end"):
        if not request.HasField(name):
            raise checks.invalid(f"say when: {name}", name)
        checks.moment(getattr(request, name), name)
    begin, end = request.window_start.ToMicroseconds(), request.window_end.ToMicroseconds()
    if begin >= end:
        raise checks.invalid("window_start comes before window_end", "window_end")
    zone = zones.canonical(request.time_zone) if request.time_zone else zones.UTC
    if zone is None:
        raise checks.invalid(f"there is no time zone “{request.time_zone[:60]}”, write e.g. Europe/Berlin", "time_zone")
    if request.page_size > MOST_OCCURRENCES:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a page holds at most {MOST_OCCURRENCES:,} occurrences", field="page_size")
    return Asked(folder_ids, Window(begin, end, zone), request.page_size or _DEFAULT_PAGE)

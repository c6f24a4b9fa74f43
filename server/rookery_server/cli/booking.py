"""rookeryd account booking: how rooms and equipment answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rookery.v1.availability_service_pb2 import (
    CalendarSettings,
    GetCalendarSettingsRequest,
    UpdateCalendarSettingsRequest,
)
from rookery_core.rules.availability import settings as rules
from rookery_core.rules.availability import working_hours
from rookery_server.cli.administration import Administration, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import json_option, print_fields, print_json

if TYPE_CHECKING:
    import pathlib


@click.command()
@click.argument("address")
@click.option("--automatic/--by-hand", default=None, help="Answer requests at once, or leave them to a person.")
@click.option("--horizon", "horizon_days", type=click.IntRange(0), metavar="DAYS", help="How far ahead; 0 is without limit.")
@click.option(
    "--longest", "longest_minutes", type=click.IntRange(0), metavar="MINUTES", help="How long at most; 0 is without limit."
)
@click.option("--series/--no-series", "recurring", default=None, help="Take what recurs, or not.")
@click.option("--conflicts/--no-conflicts", default=None, help="Take what overlaps, or not.")
@click.option(
    "--conflict-percent",
    type=click.IntRange(0, 100),
    metavar="N",
    help="Take a series of which so many of 100 times are taken already, and decline those.",
)
@click.option("--outsiders/--no-outsiders", default=None, help="Take requests from people elsewhere, or not.")
@click.option("--only-hours/--any-hour", "working_hours_only", default=None, help="Only within its hours, or at any.")
@click.option("--hours", metavar="HOURS", help="Its hours: “mon-fri 8-18”, “daily 8:00-20:00”.")
@click.option("--zone", metavar="ZONE", help="Where it is: Europe/Berlin.")
@click.option("--capacity", type=click.IntRange(0), metavar="N", help="For how many people; 0 is not said.")
@click.option("--location", metavar="TEXT", help="Where it is, in words.")
@json_option
@with_settings(*WHERE)
def booking(
    address: str,
    hours: str | None,
    zone: str | None,
    as_json: bool,
    config_file: pathlib.Path | None,
    **options: Any,
) -> None:
    """Show how a room or a piece of equipment answers to requests, or set it."""
    flags = {name: options.pop(name) for name in WHERE}
    changes = {name: value for name, value in options.items() if value is not None}
    try:
        times = None if hours is None else working_hours.parse(hours)
    except ValueError as error:
        raise click.UsageError(f"--hours: {error}.") from None

    async def work(server: Administration) -> CalendarSettings:
        found = (await server.availability.GetCalendarSettings(GetCalendarSettingsRequest(address=address))).settings
        if not found.HasField("booking"):
            raise click.UsageError(f"{address} is no room and no equipment: it is not booked.")
        if not changes and times is None and zone is None:
            return found
        for name, value in changes.items():
            setattr(found.booking, name, value)
        if times is not None:
            del found.working_hours.times[:]
            found.working_hours.times.extend(times)
        if zone is not None:
            found.working_hours.time_zone = zone
        request = UpdateCalendarSettingsRequest(operation_id=server.operation_id(), address=address, settings=found)
        return (await server.availability.UpdateCalendarSettings(request)).settings

    found = administer(flags, config_file, work)
    if as_json:
        print_json(_document(address, found))
    else:
        print_fields({"Booking": rules.booking_text(found.booking), "Hours": working_hours.text(found.working_hours)})


def _document(address: str, settings: CalendarSettings) -> dict[str, object]:
    booked = settings.booking
    return {
        "address": address,
        **{field.name: getattr(booked, field.name) for field in booked.DESCRIPTOR.fields},
        "time_zone": settings.working_hours.time_zone,
        "hours": [
            {"weekday": time.weekday, "start_minute": time.start_minute, "end_minute": time.end_minute}
            for time in settings.working_hours.times
        ],
    }

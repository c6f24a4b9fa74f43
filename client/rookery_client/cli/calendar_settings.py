"""`cal settings`: when one works, and what others see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.availability_service_pb2 import FREE_BUSY_DETAIL_SUBJECTS, FREE_BUSY_DETAIL_TIMES
from rookery_client.cli.calendar_times import zone_named
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean
from rookery_core.rules.availability import settings as rules
from rookery_core.rules.availability import working_hours

if TYPE_CHECKING:
    from rookery.v1.availability_service_pb2 import CalendarSettings
    from rookery_client import Client

_DETAILS = {"times": FREE_BUSY_DETAIL_TIMES, "subjects": FREE_BUSY_DETAIL_SUBJECTS}
_SEEN = {
    FREE_BUSY_DETAIL_TIMES: "when you are taken, and not with what",
    FREE_BUSY_DETAIL_SUBJECTS: "subjects and places too, but not of what is private",
}


@click.command("settings")
@click.option("--zone", metavar="ZONE", help="Where you are: Europe/Berlin; “local” is this machine's zone.")
@click.option("--hours", metavar="HOURS", help="When you work: “mon-fri 9:00-17:30”, “mon-thu 8-12 13-17, fri 8-14”, “never”.")
@click.option("--show", type=click.Choice(list(_DETAILS)), help="What others see of your calendar.")
@click.option("--address", default="", metavar="ADDRESS", help="Another's calendar, for administrators.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def settings(session: Session, zone: str | None, hours: str | None, show: str | None, address: str, as_json: bool) -> None:
    """Show how your calendar is set, or set it."""
    known = None if zone is None else zone_named(None if zone == "local" else zone)
    try:
        times = None if hours is None else working_hours.parse(hours)
    except ValueError as error:
        raise click.UsageError(f"--hours: {error}.") from None

    async def work(client: Client) -> CalendarSettings:
        found = await client.availability.settings(address)
        if known is None and times is None and show is None:
            return found
        if known is not None:
            found.working_hours.time_zone = known
        if times is not None:
            del found.working_hours.times[:]
            found.working_hours.times.extend(times)
        if show is not None:
            found.free_busy_detail = _DETAILS[show]
        return await client.availability.set(found, address)

    found = session.run(work)
    if as_json:
        emit({"settings": view(found)})
        return
    click.echo(f"Working hours: {working_hours.text(found.working_hours)}")
    click.echo(f"Others see: {_SEEN[found.free_busy_detail]}")
    if found.HasField("booking"):
        click.echo(f"Booking: {clean(rules.booking_text(found.booking))}")


COMMANDS = (settings,)

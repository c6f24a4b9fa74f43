"""Invitations, answers and cancellations in words, as `show` has them below the fields of the message that brought them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_TASK
from rookery.v1.scheduling_pb2 import SchedulingEffect, SchedulingMethod
from rookery_client.cli.calendar_times import span_text, start_text
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.meeting_view import DECLINED, NONE, accepting, name_of
from rookery_client.cli.terminal import clean
from rookery_core.rules.ids import text_of
from rookery_core.rules.scheduling import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.item_pb2 import Item, SchedulingMessage

_ANSWERS: dict[int, str] = {
    ResponseStatus.RESPONSE_STATUS_ACCEPTED: "accepts",
    ResponseStatus.RESPONSE_STATUS_TENTATIVE: "accepts tentatively",
    DECLINED: "declines",
    ResponseStatus.RESPONSE_STATUS_DELEGATED: "has handed it on",
}
_OWN: dict[int, str] = {
    ResponseStatus.RESPONSE_STATUS_ACCEPTED: "You have accepted it.",
    ResponseStatus.RESPONSE_STATUS_TENTATIVE: "You have accepted it tentatively.",
    DECLINED: "You have declined it.",
}
_COMING = {SchedulingMethod.SCHEDULING_METHOD_REQUEST, SchedulingMethod.SCHEDULING_METHOD_ADD}


def show_scheduling(message: Item, about: Item | None) -> None:
    """Prints what a message says of a meeting, and what can be done; ``about`` is the appointment, if it is there."""
    scheduling, zone = message.content.message.scheduling, local_zone()
    is_task = about is not None and about.summary.kind == ITEM_KIND_TASK
    click.echo(_said_of_task(scheduling, zone) if is_task else _said(scheduling, zone))
    if scheduling.comment and scheduling.comment not in message.content.body.text:
        click.echo(f"“{clean(scheduling.comment)}”")
    for line in _became(message, scheduling, about, zone):
        click.echo(line)


def _said_of_task(message: SchedulingMessage, zone: str) -> str:
    """What the message says of a task."""
    who = name_of(getattr(message, "from")) or "Somebody"
    due = f", due {start_text(message.start, zone)}" if message.HasField("start") else ""
    match message.method:
        case SchedulingMethod.SCHEDULING_METHOD_REQUEST:
            return f"{who} gives you a task{due}."
        case SchedulingMethod.SCHEDULING_METHOD_CANCEL:
            return f"{who} takes the task back."
        case _:
            return f"{who} {_ANSWERS.get(message.response, 'reports on')} the task{due}."


def _said(message: SchedulingMessage, zone: str) -> str:
    """What the message says."""
    who = name_of(getattr(message, "from")) or "Somebody"
    span = span_text(message.start, message.end, zone) if message.HasField("start") else ""
    place = f", {clean(message.location)}" if message.location else ""
    which = f" for {start_text(message.occurrence, zone)}" if message.HasField("occurrence") else ""
    when = f": {span}{place}" if span else ""
    match message.method:
        case SchedulingMethod.SCHEDULING_METHOD_REQUEST if which:
            return f"{who} changes the meeting{which}{when}."
        case SchedulingMethod.SCHEDULING_METHOD_REQUEST if message.version.sequence > 0:
            return f"{who} changes the meeting{when}."
        case SchedulingMethod.SCHEDULING_METHOD_REQUEST:
            return f"{who} invites you{when}."
        case SchedulingMethod.SCHEDULING_METHOD_ADD:
            return f"{who} adds to the meeting{when}."
        case SchedulingMethod.SCHEDULING_METHOD_REPLY:
            return f"{who} {_ANSWERS.get(message.response, 'answers')}{which}{when if not which else ''}."
        case SchedulingMethod.SCHEDULING_METHOD_COUNTER:
            instead = f" of {start_text(message.occurrence, zone)}" if which else ""
            return f"{who} proposes {span or 'another time'} instead{instead}."
        case SchedulingMethod.SCHEDULING_METHOD_CANCEL:
            return f"{who} calls it off{which}{when if not which else ''}."
        case SchedulingMethod.SCHEDULING_METHOD_DECLINE_COUNTER:
            return f"{who} stays with the time as it is{which}."
        case SchedulingMethod.SCHEDULING_METHOD_REFRESH:
            return f"{who} asks for the latest version."
        case _:
            return f"{who} tells of an appointment{when}."


def _became(item: Item, message: SchedulingMessage, about: Item | None, zone: str) -> Iterator[str]:
    """What it did here, and what can be done now."""
    if message.effect == SchedulingEffect.SCHEDULING_EFFECT_OUTDATED:
        yield "It changed nothing: something later was here before it."
        return
    if message.effect == SchedulingEffect.SCHEDULING_EFFECT_IGNORED:
        yield "It changed nothing in your calendar."
        return
    if about is None:
        return
    if about.summary.kind == ITEM_KIND_TASK:
        yield f"In your tasks: rookery tasks show {text_of(about.id)}"
        return
    if message.method == SchedulingMethod.SCHEDULING_METHOD_COUNTER and message.HasField("start"):
        occurrence = message.occurrence if message.HasField("occurrence") else None
        yield f"To move it there: {accepting(about.id, message.start, message.end, zone, occurrence)}"
    elif message.method in _COMING:
        yield from _answering(item, message, about, zone)
    if about.summary.appointment.status != told.CANCELLED:
        yield f"In your calendar: rookery cal show {text_of(about.id)}"


def _answering(item: Item, message: SchedulingMessage, about: Item, zone: str) -> Iterator[str]:
    appointment = about.summary.appointment
    if appointment.status == told.CANCELLED:
        yield "It is off by now."
        return
    if appointment.sequence > message.version.sequence:
        yield f"It was changed since: {span_text(appointment.start, appointment.end, zone)}."
    response = _own_response(message, about)
    if response == NONE:
        yield f"Answer it: rookery cal respond {text_of(item.id)} accept (or tentative, or decline)"
    elif response in _OWN:
        yield _OWN[response]


def _own_response(message: SchedulingMessage, about: Item) -> int:
    """The answer to what a message is about: to the occurrence, where that has one of its own."""
    appointment = about.summary.appointment
    if message.HasField("occurrence"):
        for exception in appointment.exceptions:
            if exception.original_start == message.occurrence and exception.my_response:
                return exception.my_response
    return appointment.my_response

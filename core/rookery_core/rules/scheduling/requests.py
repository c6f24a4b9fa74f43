"""What calls about meetings may ask, as far as a request alone tells. The server checks it, and a replica before it keeps one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, checks, mail_addresses
from rookery_core.rules.ids import require_id, require_minted
from rookery_core.rules.scheduling.itip import COMMENT

if TYPE_CHECKING:
    from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
    from rookery.v1.meeting_service_pb2 import (
        CancelMeetingRequest,
        ForwardMeetingRequest,
        RespondToMeetingRequest,
        SendMeetingRequest,
    )
    from rookery.v1.person_pb2 import Person

FORWARDED_TO = 100
"""People that a meeting is forwarded to at once."""

_ANSWERS = {RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE}


def check_send(request: SendMeetingRequest) -> None:
    """InvalidArgument with the path of the first field that is wrong; so are those below."""
    _check(request)


def check_cancel(request: CancelMeetingRequest) -> None:
    """As above, for calling off."""
    _check(request)
    _times(request, "occurrence")


def check_respond(request: RespondToMeetingRequest) -> None:
    """As above, for answers."""
    _check(request)
    _times(request, "occurrence", "proposed_start", "proposed_end")
    if request.response not in _ANSWERS:
        raise checks.invalid("an invitation is answered by accepted, tentative or declined", "response")
    if request.HasField("proposed_start") != request.HasField("proposed_end"):
        missing = "proposed_end" if request.HasField("proposed_start") else "proposed_start"
        raise checks.invalid("who proposes another time says when it begins and when it ends", missing)
    if request.HasField("proposed_start"):
        if request.response == RESPONSE_STATUS_ACCEPTED:
            raise checks.invalid("who accepts proposes no other time: answer tentative, or decline", "proposed_start")
        if not calendar_time.before(request.proposed_start, request.proposed_end):
            raise checks.invalid("the proposed time ends after it begins", "proposed_end")


def check_forward(request: ForwardMeetingRequest) -> None:
    """As above, for forwarding."""
    _check(request)
    if not request.to:
        raise checks.invalid("say to whom the meeting is forwarded", "to")
    checks.at_most(len(request.to), FORWARDED_TO, "to")
    for index, person in enumerate(request.to):
        require_address(person, f"to[{index}]")


def check_split(request: SplitSeriesRequest) -> None:
    """As above, for splitting a series."""
    require_id(request.item_id, "item_id")
    if not request.HasField("at"):
        raise checks.invalid("say at which occurrence the series is split", "at")
    _times(request, "at")
    if request.new_item_id:
        require_minted(request.new_item_id, "new_item_id")


def require_address(person: Person, field: str) -> None:
    """InvalidArgument ``ADDRESS_INVALID`` unless mail can be sent to somebody; ``field`` is the path of the person."""
    try:
        mail_addresses.parse(person.address, "", underscores=True)
    except InvalidArgument as error:
        shown = {"address": person.address[:320]}
        raise InvalidArgument(error.reason, error.message, metadata=shown, field=f"{field}.address") from None


def _check(request: Any) -> None:
    require_id(request.item_id, "item_id")
    checks.no_longer(request.comment, COMMENT, "comment")


def _times(request: Any, *names: str) -> None:
    for name in names:
        if request.HasField(name):
            calendar_time.validate(getattr(request, name), name)

"""How mail on its way stands: in a sentence, in a table, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.submission_pb2 import DeliveryState, Submission, SubmissionState
from rookery_client.cli.item_table import named
from rookery_client.cli.json_view import view
from rookery_client.cli.terminal import moment, table
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import SubmissionRecipient

FAILED = frozenset({DeliveryState.DELIVERY_STATE_FAILED, DeliveryState.DELIVERY_STATE_EXPIRED})
_LONGEST_UNDO = 600
"""Seconds of holding back that are told as seconds."""
_COUNTED = (
    ("delivered here", {DeliveryState.DELIVERY_STATE_DELIVERED}),
    ("handed on", {DeliveryState.DELIVERY_STATE_RELAYED}),
    ("on its way", {DeliveryState.DELIVERY_STATE_UNSPECIFIED, DeliveryState.DELIVERY_STATE_QUEUED}),
    ("tried again later", {DeliveryState.DELIVERY_STATE_DEFERRED}),
    ("failed", FAILED),
)


def submission_view(submission: Submission, subject: str | None = None) -> dict[str, Any]:
    """A submission as JSON values, with its message's subject where that is known."""
    return {**view(submission), "subject": subject}


def has_failed(submission: Submission) -> bool:
    """Whether a recipient will not get it."""
    return any(recipient.state in FAILED for recipient in submission.recipients)


def is_answered(submission: Submission) -> bool:
    """Whether there is an answer for each recipient, if only that it is tried again; or it was called back."""
    waiting = {DeliveryState.DELIVERY_STATE_UNSPECIFIED, DeliveryState.DELIVERY_STATE_QUEUED}
    called_back = submission.state == SubmissionState.SUBMISSION_STATE_CANCELLED
    return called_back or not any(recipient.state in waiting for recipient in submission.recipients)


def sentence(submission: Submission) -> str:
    """What happens next, or has happened, in a line."""
    submission_id = text_of(submission.id)
    if submission.state == SubmissionState.SUBMISSION_STATE_CANCELLED:
        return f"Called back: it is a draft again (`rookery send --item {text_of(submission.item_id)}` sends it)."
    if not submission.revision:
        return f"Leaves with the next sync{_not_before(submission)}. Undo: rookery --offline unsend {submission_id}"
    if submission.state == SubmissionState.SUBMISSION_STATE_HELD:
        return f"{_leaving(submission)}. Undo: rookery unsend {submission_id}"
    if submission.state == SubmissionState.SUBMISSION_STATE_PENDING:
        return f"On its way. Undo, while there is time: rookery unsend {submission_id}"
    why = f" (`rookery outbox show {submission_id}` says why)" if has_failed(submission) else ""
    everything_failed = all(recipient.state in FAILED for recipient in submission.recipients)
    return f"{'Not sent' if everything_failed else 'Sent'}: {_counts(submission)}{why}."


def _leaving(submission: Submission) -> str:
    if not submission.HasField("hold_until"):
        return "Held until an administrator releases it"
    seconds = submission.hold_until.seconds - submission.submitted.seconds
    if 0 <= seconds <= _LONGEST_UNDO:
        return "Leaves in 1 second" if seconds == 1 else f"Leaves in {seconds} seconds"
    return f"Leaves {moment(submission.hold_until)}"


def _not_before(submission: Submission) -> str:
    return f", not before {moment(submission.hold_until)}" if submission.HasField("hold_until") else ""


def _counts(submission: Submission) -> str:
    """How many recipients have it, and so on."""
    counted = ((words, sum(each.state in states for each in submission.recipients)) for words, states in _COUNTED)
    return ", ".join(f"{count:,} {words}" for words, count in counted if count)


def standing(submission: Submission) -> str:
    """Where it stands, in a few words."""
    if not submission.revision:
        return "to be synced"
    match submission.state:
        case SubmissionState.SUBMISSION_STATE_HELD:
            return "held"
        case SubmissionState.SUBMISSION_STATE_PENDING:
            return "on its way"
        case SubmissionState.SUBMISSION_STATE_CANCELLED:
            return "called back"
    return "not sent" if all(recipient.state in FAILED for recipient in submission.recipients) else "sent"


def what_became(recipient: SubmissionRecipient) -> str:
    """What became of a recipient, in a few words."""
    match recipient.state:
        case DeliveryState.DELIVERY_STATE_DELIVERED:
            return "delivered"
        case DeliveryState.DELIVERY_STATE_RELAYED:
            return "handed on"
        case DeliveryState.DELIVERY_STATE_DEFERRED:
            again = moment(recipient.next_attempt)
            return f"tried again {again}" if again else "tried again"
        case DeliveryState.DELIVERY_STATE_FAILED:
            return "failed"
        case DeliveryState.DELIVERY_STATE_EXPIRED:
            return "given up"
    return "waits"


def in_short(submission: Submission, most: int = 3) -> str:
    """The first recipients with what became of them, and how many more there are."""
    called_back = submission.state == SubmissionState.SUBMISSION_STATE_CANCELLED
    shown = [
        each.person.address if called_back else f"{each.person.address}: {what_became(each)}"
        for each in submission.recipients[:most]
    ]
    rest = len(submission.recipients) - most
    return ", ".join([*shown, *([f"{rest:,} more"] if rest > 0 else [])])


def show_recipients(submission: Submission) -> None:
    """Prints what became of each recipient; of a message that was called back, nothing did."""
    called_back = submission.state == SubmissionState.SUBMISSION_STATE_CANCELLED
    rows = [
        (
            named(each.person),
            "" if called_back else what_became(each),
            each.remote_host,
            each.status_code,
            each.reply,
            str(each.attempts or ""),
        )
        for each in submission.recipients
    ]
    titles = ["Recipient", "State", "Host", "Code", "Answer", "Tries"]
    table(titles, rows, right=["Tries"], cut=["Answer", "Host", "Recipient"], drop=["Tries", "Code", "Host"])

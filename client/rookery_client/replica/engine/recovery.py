"""What an engine does about an error."""

from __future__ import annotations

import enum

from rookery_core.errors import DataLoss, ResourceExhausted, RookeryError, Unavailable


class Remedy(enum.Enum):
    """What helps."""

    WAIT = "the server can not be reached: try again, later and later"
    AGAIN = "it is over soon: try again"
    COMPARE = "the cursor is no good any more: compare, and go on with a new one"
    REFILL = "the cursor is for another scope: fill anew over what is there"
    REBUILD = "the file is damaged: save what was not sent, and fill a new one"
    SLOWLY = "a person may see to it meanwhile: tell them, and try again after minutes"
    STOP = "a person has to decide: tell them, and stop"


_BY_REASON = {
    "RECONCILE_BUSY": Remedy.AGAIN,
    "REPLICA_IN_USE": Remedy.AGAIN,
    "SLOW_CONSUMER": Remedy.AGAIN,
    "CURSOR_EXPIRED": Remedy.COMPARE,
    "CURSOR_INVALID": Remedy.COMPARE,
    "EPOCH_CHANGED": Remedy.COMPARE,
    "SCOPE_CHANGED": Remedy.REFILL,
    "REPLICA_DAMAGED": Remedy.REBUILD,
    "REPLICA_FULL": Remedy.SLOWLY,
    "SERVER_FAILED": Remedy.SLOWLY,
}
_ADVICE = {
    "MASS_DELETION": "`rookery sync --accept-deletions` deletes it here too",
    "REPLICA_FULL": "make room on the disk",
    "SESSION_EXPIRED": "sign in again",
    "SESSION_REVOKED": "sign in again",
    "TOKEN_INVALID": "sign in again",
    "TOKEN_MISSING": "sign in again",
}


def remedy(error: RookeryError) -> Remedy:
    """What to do about it."""
    if isinstance(error, Unavailable):
        return _BY_REASON.get(error.reason, Remedy.WAIT)
    passing = isinstance(error, ResourceExhausted | DataLoss)
    return _BY_REASON.get(error.reason, Remedy.SLOWLY if passing else Remedy.STOP)


def advice(error: RookeryError) -> str:
    """What a person can do about it; "" where the message says it."""
    said = _ADVICE.get(error.reason, "")
    return "" if said and said in error.message else said

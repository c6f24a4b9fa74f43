"""From errors to SMTP replies, in one place (the twin of ``api.errors``)."""

from __future__ import annotations

from rookery_core.errors import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    RookeryError,
    Stale,
    Unauthenticated,
    Unavailable,
)
from rookery_server.smtp.receiving import Reply

BROKEN = Reply(451, "4.3.0", "This server failed to handle it, please try again later")

_BY_REASON: dict[str, tuple[int, str]] = {
    "ACCOUNT_DISABLED": (550, "5.2.1"),
    "ADDRESS_INVALID": (553, "5.1.3"),
    "CREDENTIALS_INVALID": (535, "5.7.8"),
    "DATABASE_FULL": (452, "4.3.1"),
    "LIMIT_EXCEEDED": (552, "5.3.4"),
    "LOGIN_THROTTLED": (454, "4.7.0"),
    "MAIL_LOOP": (554, "5.4.6"),
    "MESSAGE_TOO_LARGE": (552, "5.3.4"),
    "QUOTA_EXCEEDED": (552, "5.2.2"),
    "SERVER_STOPPING": (451, "4.3.2"),
}
_BY_KIND: dict[type[RookeryError], tuple[int, str]] = {
    InvalidArgument: (554, "5.6.0"),
    NotFound: (550, "5.1.1"),
    AlreadyExists: (554, "5.0.0"),
    FailedPrecondition: (554, "5.0.0"),
    Stale: (451, "4.3.0"),
    OutOfRange: (554, "5.6.0"),
    Unauthenticated: (530, "5.7.0"),
    PermissionDenied: (550, "5.7.1"),
    ResourceExhausted: (452, "4.3.1"),
    Unavailable: (451, "4.3.0"),
    DataLoss: (451, "4.3.0"),
}


def reply_for(error: RookeryError) -> Reply:
    """The refusal that tells a client of the error; its message is the text."""
    code, enhanced = _BY_REASON.get(error.reason) or _BY_KIND[type(error)]
    return Reply(code, enhanced, error.message)

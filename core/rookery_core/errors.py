"""The one tree of exceptions.

Each class stands for one kind of outcome and has one gRPC status (mapped in ``rookery_server.api.errors``; the client maps it
back). Each error carries a *reason*: a stable word in capitals that programs may compare, listed in ``REASONS``.

    RookeryError
      InvalidArgument      the call itself is wrong, whatever the state of the server     INVALID_ARGUMENT
      NotFound             it does not exist, or the caller may not know that it does     NOT_FOUND
      AlreadyExists        a name or an id is taken                                       ALREADY_EXISTS
      FailedPrecondition   the state forbids it; repeating changes nothing                FAILED_PRECONDITION
      Stale                it changed meanwhile: read it again and decide                 ABORTED
      OutOfRange           an offset beyond the end                                       OUT_OF_RANGE
      Unauthenticated      nobody signed in, or not any more                              UNAUTHENTICATED
      PermissionDenied     signed in, but not allowed                                     PERMISSION_DENIED
      ResourceExhausted    a quota or a limit is reached                                  RESOURCE_EXHAUSTED
      Unavailable          try again later, with the same operation id                    UNAVAILABLE
      DataLoss             stored bytes are not what was stored                           DATA_LOSS
"""

from __future__ import annotations

from typing import ClassVar


class RookeryError(Exception):
    """An outcome that a caller can understand.

    ``reason`` is stable and for programs; ``message`` is one friendly sentence that says what to do; ``metadata`` holds details
    for programs, strings only; ``field`` is the path of the request's field that is wrong, where one is.
    """

    definitive: ClassVar[bool] = True
    """Whether repeating the same operation must give the same refusal, so that the ledger keeps it."""

    def __init__(self, reason: str, message: str, *, metadata: dict[str, str] | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.reason, self.message, self.metadata, self.field)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason}: {self.message})"


def _rebuilt(kind: type[RookeryError], reason: str, message: str, metadata: dict[str, str], field: str | None) -> RookeryError:
    """An error that comes from another process."""
    return kind(reason, message, metadata=metadata, field=field)


class InvalidArgument(RookeryError):
    """The call itself is wrong, whatever the state of the server. Raised before anything is read or written."""


class NotFound(RookeryError):
    """It does not exist, or the caller may not know that it does."""


class AlreadyExists(RookeryError):
    """A name or an id is taken."""


class FailedPrecondition(RookeryError):
    """The state of the mailbox or the server forbids it."""


class Stale(RookeryError):
    """It changed since the caller read it."""


class OutOfRange(RookeryError):
    """An offset beyond the end."""


class Unauthenticated(RookeryError):
    """Nobody is signed in, or not any more."""

    definitive = False


class PermissionDenied(RookeryError):
    """Signed in, but not allowed."""


class ResourceExhausted(RookeryError):
    """A quota or a limit is reached; room may be made meanwhile, so the ledger does not keep it."""

    definitive = False


class Unavailable(RookeryError):
    """The server can not do it now. The same operation id may be tried again later."""

    definitive = False


class DataLoss(RookeryError):
    """Stored bytes are not what was stored."""

    definitive = False


REASONS: dict[str, str] = {
    "ADDRESS_INVALID": "the e-mail address is none",
    "ADDRESS_TAKEN": "the address belongs to an account already",
    "ADDRESS_IN_USE": "another program listens on the address already",
    "ADMINISTRATOR_ONLY": "only administrators may call this",
    "ACCOUNT_DISABLED": "the account is disabled",
    "ACCOUNT_NOT_FOUND": "no account has this id or address",
    "ATTACHMENT_NOT_FOUND": "the item has no attachment with this id",
    "CALENDAR_NOT_FOUND": "the mailbox has no such published calendar",
    "CALENDARS_NOT_SERVED": "the server publishes no calendars: it has no address for them",
    "CONFLICT_NOT_FOUND": "the item has no such conflict",
    "CURSOR_EXPIRED": "the cursor is older than what the server remembers: reconcile",
    "CURSOR_INVALID": "the cursor is damaged, or of another mailbox or account",
    "COUNTER_DISALLOWED": "the organizer of the meeting wants no other times proposed",
    "CREDENTIALS_INVALID": "address or password is wrong",
    "CONTENT_DAMAGED": "a stored blob fails its checksum",
    "DATABASE_BUSY": "the database does not answer in time",
    "DATABASE_FULL": "the disk is full",
    "DEADLINE_EXCEEDED": "the server did not answer in time (told by the client)",
    "DEPENDS_ON": "an operation that this one needs was rejected, or is not known",
    "DKIM_KEY_EXISTS": "the domain has a key of this name already",
    "DKIM_KEY_NOT_FOUND": "the domain has no such key",
    "DOCUMENT_INVALID": "the document can not be read as what it is said to be",
    "DOMAIN_IN_USE": "addresses use the domain",
    "DOMAIN_NOT_FOUND": "the server has no such domain",
    "DOMAIN_TAKEN": "the domain is there already",
    "EPOCH_CHANGED": "the mailbox was restored from a backup: reconcile",
    "FIELD_INVALID": "a field's value is not allowed",
    "FIELD_NOT_WRITABLE": "the field belongs to the server",
    "FIELD_UNKNOWN": "no field has this path",
    "FOLDER_CYCLE": "a folder can not be moved below itself",
    "FOLDER_NAME_TAKEN": "a sibling has this name",
    "FOLDER_NOT_FOUND": "the mailbox has no such folder",
    "FOLDER_PROTECTED": "role folders can not be renamed, moved or deleted",
    "ID_INVALID": "an id is 16 bytes, a UUIDv7 where the client mints it",
    "ID_RETIRED": "the id belonged to an item that was purged; ids are never used again",
    "ID_TAKEN": "an item or folder has this id",
    "ITEM_NOT_FOUND": "the mailbox has no such item",
    "ITEM_NOT_LIVE": "the item is deleted; restore it first",
    "KIND_MISMATCH": "the detail does not fit the item's kind",
    "LIMIT_EXCEEDED": "more than the contract's limit",
    "LOGIN_THROTTLED": "too many wrong passwords; wait",
    "MAIL_LOOP": "the message goes round in circles: too many hosts took it before",
    "MAIL_WAITING": "mail of the account is still on its way and would be lost with it",
    "MAILBOX_NOT_FOUND": "there is no such mailbox, or it is not yours",
    "MASS_DELETION": "more would be deleted than one should do without a word (told by the client)",
    "MESSAGE_TOO_LARGE": "the message is larger than the server takes",
    "NOT_A_DRAFT": "the item is no message that can be sent, or it is on its way already",
    "NOT_A_SERIES": "the appointment does not recur: there is nothing to split",
    "NOT_AN_OCCURRENCE": "the series has no such occurrence",
    "NOT_ASSIGNED": "nobody has given you the task, or you have declined it already",
    "NOT_IN_REPLICA": "the replica does not hold it, and there is no network (told by the client)",
    "NOT_A_TASK": "the item is no task: there is nothing to complete",
    "NOT_INVITED": "the appointment is no invitation: there is nothing to answer, or to forward",
    "NOT_ORGANIZER": "only the organizer of a meeting may do this",
    "NOTHING_FAILED": "no recipient failed: there is nothing to send again",
    "NO_RECIPIENTS": "the message has no recipients",
    "OCCURRENCE_UNKNOWN": "the series of tasks has not come to this occurrence",
    "OPERATION_EXPIRED": "the operation id is older than the ledger remembers; read the state again",
    "OPERATION_REUSED": "the operation id was used for another request",
    "OFFSET_INVALID": "the offset is not where the bytes go on",
    "OUTCOME_UNKNOWN": "on a device: nobody knows whether the message was sent before the server was restored",
    "PAGE_TOKEN_INVALID": "the page token belongs to another query, or is damaged",
    "PASSWORD_WEAK": "a password has 10 to 1,024 bytes",
    "QUERY_INVALID": "the search query can not be understood",
    "QUOTA_EXCEEDED": "the mailbox is full",
    "RECONCILE_BUSY": "the session compares already: one call at a time",
    "RELAYING_DENIED": "the server takes mail for its own domains only from whoever has not signed in",
    "REPLICA_DAMAGED": "the replica's file can not be read (told by the client)",
    "REPLICA_FOREIGN": "the replica belongs to another account or server (told by the client)",
    "REPLICA_FULL": "there is no room for the replica (told by the client)",
    "REPLICA_IN_USE": "another program keeps the replica up to date already (told by the client)",
    "REPLICA_MISSING": "there is no replica yet (told by the client)",
    "RESTRICTION_INVALID": "the restriction is malformed",
    "SCOPE_CHANGED": "the cursor was made for other folders, kinds or depth: fill anew",
    "SELECTOR_INVALID": "the name of the key can not stand in the DNS",
    "SENDER_NOT_ALLOWED": "the sender is no address of the account",
    "SERVER_FAILED": "the server broke, or does not know the call (told by the client)",
    "SERVER_STOPPING": "the server is shutting down; try again",
    "SERVER_UNREACHABLE": "nothing answers at the server's address (told by the client)",
    "SESSION_EXPIRED": "the access token has ended; refresh it",
    "SESSION_NOT_FOUND": "the account has no such session",
    "SESSION_REVOKED": "the session was ended; sign in again",
    "SLOW_CONSUMER": "the stream was not taken for 30 seconds: begin it again",
    "STALE_ETAG": "the content changed since it was read",
    "SUBMISSION_FINAL": "the message has left already, or is leaving: it can not be called back",
    "SUBMISSION_NOT_FOUND": "the mailbox has no such submission",
    "TASK_ASSIGNED": "somebody has accepted the task already: it is theirs",
    "TASK_NOT_ACCEPTED": "a task that was given to you is handed on once you have accepted it",
    "TASK_RECURS": "a task that recurs is completed by CompleteTask, so that a copy stays and the series goes on",
    "TO_A_GROUP": "a task is given to one person, and this is a group: name one of its members",
    "TOKEN_INVALID": "the token is damaged or not of this server",
    "TOKEN_MISSING": "the call carries no access token",
    "UPLOAD_INCOMPLETE": "not all bytes of the upload are there",
    "UPLOAD_NOT_FOUND": "no upload has this id",
}
"""Every reason that an error may carry, with its meaning: part of the contract."""

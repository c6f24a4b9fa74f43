"""What MAIL and RCPT say of an envelope, and what of it can not be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.smtp.incoming_data import too_large
from rookery_server.smtp.receiving import Envelope, Kind, Reply
from rookery_server.smtp.syntax import BadSyntax, parse_mail, parse_rcpt, parse_size

if TYPE_CHECKING:
    from rookery_server.smtp.limits import Limits
    from rookery_server.smtp.receiving import Session

_NOT_ASCII = Reply(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8")
_BODIES = ("7BIT", "8BITMIME", "BINARYMIME")


def read_mail(argument: bytes, session: Session, limits: Limits) -> tuple[Envelope, Reply | None]:
    """The envelope that MAIL begins, with the refusal if it can not be had. Raises BadSyntax."""
    command = parse_mail(argument)
    envelope = Envelope(command.address)
    for name, value in command.parameters.items():
        match name:
            case _ if not session.extended:
                return envelope, _unknown_parameter(name)
            case "SIZE":
                envelope.size = parse_size(value)
            case "BODY" if value.upper() in _bodies(session.kind):
                envelope.body = value.upper()
            case "SMTPUTF8" if not value:
                envelope.utf8 = True
            case "BODY" | "SMTPUTF8":
                raise BadSyntax(f"{name} has a value that it can not have")
            case "AUTH":  # who wrote it elsewhere is nothing that we could check (RFC 4954 section 5)
                continue
            case _:
                return envelope, _unknown_parameter(name)
    if not (envelope.utf8 or envelope.sender.isascii()):
        return envelope, _NOT_ASCII
    return envelope, too_large(limits.message_bytes) if envelope.size > limits.message_bytes else None


def read_rcpt(argument: bytes, envelope: Envelope) -> str | Reply:
    """The address that RCPT adds, or the refusal of what is none."""
    try:
        command = parse_rcpt(argument)
    except BadSyntax as error:
        return Reply(501, "5.1.3", f"Can not read that: {error}")
    if command.parameters:
        return _unknown_parameter(next(iter(command.parameters)))
    return command.address if envelope.utf8 or command.address.isascii() else _NOT_ASCII


def _bodies(kind: Kind) -> tuple[str, ...]:
    """What people send goes on to servers that may not take binary data."""
    return _BODIES[:2] if kind is Kind.SUBMISSION else _BODIES


def _unknown_parameter(name: str) -> Reply:
    return Reply(555, "5.5.4", f"The parameter {name} is not known here")

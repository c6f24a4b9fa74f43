"""What all commands of a connection share: who talks, what is answered, and how much nonsense is put up with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import structlog

from rookery_core.errors import RookeryError
from rookery_server.smtp.errors import BROKEN, reply_for
from rookery_server.smtp.receiving import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rookery_server.smtp.counters import Counters
    from rookery_server.smtp.limits import Limits
    from rookery_server.smtp.receiving import Session
    from rookery_server.smtp.wire import Wire

T = TypeVar("T")

_log = structlog.get_logger("rookery.smtp")


class Farewell(Exception):
    """The connection ends with this reply. ``why`` is for the log; "" if there is nothing to tell."""

    def __init__(self, reply: Reply, why: str = "") -> None:
        super().__init__(why)
        self.reply = reply
        self.why = why


class Conversation:
    """One connection's. Counts what a client does wrong, and raises Farewell when it is too much."""

    def __init__(self, wire: Wire, session: Session, limits: Limits, counters: Counters) -> None:
        self.wire = wire
        self.session = session
        self.limits = limits
        self.counters = counters
        self.messages = 0
        """Delivered or refused after their data."""
        self._faults = 0
        self._idle_commands = 0
        self._refused_recipients = 0
        self._failed_sign_ins = 0

    def say(self, reply: Reply) -> None:
        """Answers."""
        if reply.code >= 400:
            self.counters.refusals[reply.code] += 1
        self.wire.say(reply.line().encode() + b"\r\n")

    def fault(self, code: int, enhanced: str, text: str) -> None:
        """Answers a command that is wrong in itself."""
        self.say(Reply(code, enhanced, text))
        self._faults += 1
        if self._faults >= self.limits.faults:
            raise Farewell(Reply(421, "4.7.0", "Too many wrong commands, closing the connection"), "too many wrong commands")

    def idle_command(self) -> None:
        """Counts a command that brings no message forward."""
        self._idle_commands += 1
        if self._idle_commands > self.limits.idle_commands and not self.session.trusted:
            raise Farewell(Reply(421, "4.7.0", "Nothing but talk, closing the connection"), "too many idle commands")

    def recipient_refused(self, refusal: Reply) -> None:
        """Counts what is refused for good: who tries many addresses looks for people, who is put off has only too many of them."""
        self._refused_recipients += refusal.code >= 500
        if self._refused_recipients >= self.limits.refused_recipients and not self.session.trusted:
            raise Farewell(
                Reply(421, "4.7.0", "Too many refused recipients, closing the connection"), "too many refused recipients"
            )

    def sign_in_failed(self) -> None:
        """Counts."""
        self._failed_sign_ins += 1
        if self._failed_sign_ins >= self.limits.sign_ins:
            raise Farewell(Reply(421, "4.7.0", "Too many failed sign-ins, closing the connection"), "too many failed sign-ins")

    def message_done(self) -> None:
        """A message came through, so faults and idle commands count anew."""
        self.messages += 1
        self._faults = self._idle_commands = 0

    async def ask(self, answer: Awaitable[T]) -> T | Reply:
        """What the receiver says, or the reply for the error that it raises."""
        try:
            return await answer
        except RookeryError as error:
            return reply_for(error)
        except Exception as error:  # noqa: BLE001 - the client is to hear of it, and the other connections are not to suffer
            _log.error("mail receiver failed", **about(self.session), exc_info=error)
            return BROKEN


def about(session: Session) -> dict[str, str]:
    """What every line of the log says of a connection."""
    return {"kind": session.kind.value, "peer": session.peer, "hello": session.hello}

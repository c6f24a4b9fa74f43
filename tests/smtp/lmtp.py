"""An LMTP client that tells what was said of each recipient (Python's own takes one answer for all)."""

from __future__ import annotations

import contextlib
import smtplib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Sequence


class LmtpClient:
    """One connection, on which messages follow each other."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._replies = connection.makefile("rb")
        self.reply()
        self.say(b"LHLO front.test\r\n")

    def say(self, data: bytes) -> bytes:
        """Sends something; gives the last line of the answer."""
        self._socket.sendall(data)
        return self.reply()

    def reply(self) -> bytes:
        """The last line of an answer; empty where the connection is gone."""
        while (line := self._replies.readline())[3:4] == b"-":
            pass
        return line

    def deliver(self, sender: str, recipients: Sequence[str], message: bytes) -> list[str]:
        """Delivers a message; gives what was said in the end of each recipient: code and enhanced code."""
        said = [self.say(f"MAIL FROM:<{sender}> BODY=8BITMIME\r\n".encode())]
        said += [self.say(f"RCPT TO:<{recipient}>\r\n".encode()) for recipient in recipients]
        if not said[0].startswith(b"250"):
            return [said[0][:9].decode()] * len(recipients)
        answers = said[1:]
        if any(answer.startswith(b"250") for answer in answers):
            self.say(b"DATA\r\n")
            self._socket.sendall(smtplib._quote_periods(message) + b".\r\n")  # type: ignore[attr-defined]
            answers = [self.reply() if answer.startswith(b"250") else answer for answer in answers]
        else:
            self.say(b"RSET\r\n")
        return [answer[:9].decode() for answer in answers]


@contextlib.contextmanager
def lmtp(where: tuple[str, int] | pathlib.Path) -> Iterator[LmtpClient]:
    """A client, connected to a port or a socket."""
    if isinstance(where, tuple):
        connection = socket.create_connection(where, 30)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(where))
    with connection:
        yield LmtpClient(connection)

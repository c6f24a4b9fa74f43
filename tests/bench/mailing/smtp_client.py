"""Mail programs that hand in mail by SMTP over some connections, each signed in once, one message after the other on each.

A process of its own, so that it takes nothing of the benchmark's time:
`python -m tests.bench.mailing.smtp_client PORT CONNECTIONS MESSAGES RECIPIENTS BYTES PASSWORD SENDER[,SENDER…] DOMAIN…`.
It says `ready` once all have signed in, begins at a line on stdin, and says `done` or what it was refused with. The envelope goes
out in one write (RFC 2920), and each message in another one. Each connection sends to a domain of its own, as long as there are
enough.
"""

from __future__ import annotations

import base64
import socket
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE = "It is not the mail that is late, it is you who are early.\r\n"


def main(arguments: Sequence[str]) -> None:
    """Sends what the arguments say."""
    port, connections, count, recipients, size_bytes = map(int, arguments[:5])
    password, senders, domains = arguments[5], arguments[6].split(","), arguments[7:]
    clients = []
    for number in range(connections):
        share = count // connections + (number < count % connections)
        people = [f"{place}ben@{domains[number % len(domains)]}" for place in range(recipients)]
        clients.append(_Client(port, senders[number % len(senders)], password, people, share, size_bytes))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [client.refused for client in clients if client.refused]
    sys.stdout.write(f"{refused[0]!r}\n" if refused else "done\n")


class _Client:
    def __init__(self, port: int, sender: str, password: str, people: list[str], count: int, size_bytes: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        recipients = "".join(f"RCPT TO:<{person}>\r\n" for person in people)
        self._envelope = f"MAIL FROM:<{sender}>\r\n{recipients}DATA\r\n".encode()
        self._answers = [b"250"] * (1 + len(people)) + [b"354"]
        self._header = f"From: <{sender}>\r\nTo: {', '.join(people)}\r\n"
        self._text = _LINE * (size_bytes // len(_LINE)) + ".\r\n"
        self._count = count
        self.refused = b""
        signing_in = base64.b64encode(f"\0{sender}\0{password}".encode())
        for command, code in ((b"", b"220"), (b"EHLO bench.example\r\n", b"250"), (b"AUTH PLAIN " + signing_in + b"\r\n", b"235")):
            self._socket.sendall(command)
            if self._is_refused(code):
                break

    def run(self) -> None:
        for number in range(self._count):
            if self.refused:
                return
            self._socket.sendall(self._envelope)
            if self._is_refused(*self._answers):
                return
            self._socket.sendall(f"{self._header}Subject: Message {number}\r\n\r\n{self._text}".encode())
            self._is_refused(b"250")
        self._socket.close()

    def _is_refused(self, *codes: bytes) -> bool:
        for code in codes:
            if not (reply := self._reply()).startswith(code):
                self.refused = reply or b"the server hung up"
                return True
        return False

    def _reply(self) -> bytes:
        while (line := self._replies.readline())[3:4] == b"-":
            pass
        return line


if __name__ == "__main__":
    main(sys.argv[1:])

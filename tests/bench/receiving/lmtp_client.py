"""An MTA that delivers by LMTP over some connections, each of them one message after the other, as fast as it is answered.

A process of its own, so that it takes nothing of the benchmark's time:
`python -m tests.bench.receiving.lmtp_client PORT CONNECTIONS MESSAGES SEED FIRST ADDRESS…`.
It says `ready` once the messages are made, begins at a line on stdin, and prints the seconds that it took. The envelope goes out in
one write (RFC 2920), and each message in another one.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from tests.bench.generator import Generator

if TYPE_CHECKING:
    from collections.abc import Sequence

_DOT = re.compile(rb"^\.", re.MULTILINE)


def main(arguments: Sequence[str]) -> None:
    """Delivers messages FIRST and following of the seed's, spread over the connections and those over the addresses."""
    port, connections, count, seed, first = map(int, arguments[:5])
    addresses = arguments[5:]
    generator = Generator(seed)
    messages = [dotted(generator.message(first + number)) for number in range(count)]
    clients = [_Client(port, addresses[number % len(addresses)], messages[number::connections]) for number in range(connections)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.perf_counter()
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    refused = [client.refused for client in clients if client.refused]
    sys.stdout.write(f"{refused[0]!r}\n" if refused else f"{seconds}\n")


def dotted(message: bytes) -> bytes:
    """A message as DATA has it, with its end."""
    return _DOT.sub(b"..", message) + b".\r\n"


class _Client:
    def __init__(self, port: int, address: str, messages: Sequence[bytes]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self._envelope = b"MAIL FROM:<sender@bench.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address.encode()
        self._messages = messages
        self.refused = b""
        self._reply()
        self._socket.sendall(b"LHLO bench.example\r\n")
        self._reply()

    def run(self) -> None:
        for message in self._messages:
            self._socket.sendall(self._envelope)
            if self._wrong(b"250", b"250", b"354"):
                return
            self._socket.sendall(message)
            if self._wrong(b"250"):
                return
        self._socket.close()

    def _wrong(self, *codes: bytes) -> bool:
        for code in codes:
            if not (reply := self._reply()).startswith(code):
                self.refused = reply
                return True
        return False

    def _reply(self) -> bytes:
        while (line := self._replies.readline())[3:4] == b"-":
            pass
        return line


if __name__ == "__main__":
    main(sys.argv[1:])

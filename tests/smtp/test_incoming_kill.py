"""SIGKILL while mail comes in: what was acknowledged is there, and what is sent again because nobody answered is there once."""

from __future__ import annotations

import asyncio
import random
import threading
from typing import TYPE_CHECKING

from tests.gateway.postfix import free_port
from tests.smtp.lmtp import lmtp
from tests.smtp.mail_server import MailServer
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib

KILLS = 4
SENDERS = 3
PEOPLE = ("anna@rookery.test", "ben@rookery.test")


class Sender:
    """An MTA with a queue: it sends the next message until that is answered, then the one behind it."""

    def __init__(self, name: int, where: tuple[str, int]) -> None:
        self._name, self._where = name, where
        self.acknowledged: list[str] = []
        self.in_doubt = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Lets it finish the message that it is at."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += self._send(f"{self._name}-{number:05}")

    def _send(self, subject: str) -> bool:
        message = f"Message-ID: <{subject}@world.test>\r\nSubject: {subject}\r\n\r\n{'text ' * 2000}\r\n".encode()
        sent = False
        while not sent:
            try:
                with lmtp(self._where) as client:
                    sent = client.deliver("far@elsewhere.test", PEOPLE, message) == ["250 2.1.5"] * 2
            except OSError:
                sent = False
            self.in_doubt += not sent
            if not sent:
                self._stop.wait(0.02)
                if self._stop.is_set():
                    return False
        self.acknowledged.append(subject)
        return True


async def test_a_killed_server_has_what_it_acknowledged_once(tmp_path: pathlib.Path) -> None:
    dice = random.Random(7)
    port = free_port()
    process = ServerProcess(tmp_path / "data", "--lmtp", f"127.0.0.1:{port}")
    process.start()
    senders: list[Sender] = []
    try:
        async with process.connected() as server:
            people = [await server.add_person(address.partition("@")[0]) for address in PEOPLE]
        senders += [Sender(number, ("127.0.0.1", port)) for number in range(SENDERS)]
        for _ in range(KILLS):
            await asyncio.sleep(dice.uniform(0.2, 0.7))
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)
        await asyncio.sleep(0.3)
        for sender in senders:
            await asyncio.to_thread(sender.stop)
        async with process.connected() as server:
            found = [await MailServer(server).within(person) for person in people]
    finally:
        for sender in senders:
            sender.stop()
        process.kill()
    acknowledged = sorted(subject for sender in senders for subject in sender.acknowledged)
    assert len(acknowledged) > SENDERS and all(sender.in_doubt for sender in senders)
    for items in found:
        subjects = [item.summary.subject for item in items]
        # Of each sender's last message nobody knows: it may be there or not.
        assert len(subjects) == len(set(subjects)) and set(acknowledged) <= set(subjects)
        assert len(subjects) <= len(acknowledged) + SENDERS

"""What PostgreSQL carries between the server's processes: which mailbox has reached which revision (LISTEN and NOTIFY).

NOTIFY inside the transactions themselves would make all commits of the database wait for one lock. So it comes after them, on a
connection of its own, where whatever was announced within some milliseconds goes together and each mailbox is named once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rookery_server.store.units import Notifier

CHANNEL = "rookery"
GAP_SECONDS = 0.005
"""Between two sendings at least. The first announcement after a pause waits for nothing."""
FIRST_PAUSE_SECONDS = 0.1
"""Before a lost connection is opened again; doubled with each failure."""
LONGEST_PAUSE_SECONDS = 5.0

_ENTRIES = 140
"""Mailboxes in a notice: 32 digits of the uid, up to 20 of the revision and two marks each stay below PostgreSQL's 8,000 bytes."""
_SEND = "SELECT pg_notify(%s, notice) FROM unnest(%s::text[]) AS notice"

_log = logging.getLogger(__name__)


class Notices:
    """Tells the other processes what was committed here, and the notifier what was committed there.

    ``connect`` opens a connection in autocommit mode; it is called, and all of it used, in a thread of this object's own. While
    there is no connection nothing is heard: so, once there is one, the notifier is told of a gap. A process that dies between a
    commit and its notice leaves one that nobody hears of; those who wait have to look by themselves now and then.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], notifier: Notifier) -> None:
        self._connect = connect
        self._notifier = notifier
        self._lock = threading.Lock()
        self._waiting: dict[bytes, int] = {}
        self._ended = threading.Event()
        self._sleeping, self._waking = os.pipe()
        os.set_blocking(self._sleeping, False)
        self._thread = threading.Thread(target=self._serve, name="rookery-notices", daemon=True)
        self._thread.start()

    def announce(self, announced: Mapping[bytes, int]) -> None:
        """Has the other processes told that these mailboxes are at these revisions, which are committed. From any thread."""
        if not announced:
            return
        with self._lock:
            asleep = not self._waiting
            for mailbox_uid, revision in announced.items():
                self._waiting[mailbox_uid] = max(revision, self._waiting.get(mailbox_uid, 0))
            if asleep and not self._ended.is_set():
                os.write(self._waking, b"\0")

    def close(self) -> None:
        """Tells what was announced, if there is a connection, and ends. Blocks until then; once more does nothing."""
        with self._lock:
            closing = not self._ended.is_set()
            self._ended.set()
            if closing:
                os.write(self._waking, b"\0")
        self._thread.join()
        if closing:
            os.close(self._sleeping)
            os.close(self._waking)

    def _serve(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ended.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    pause = FIRST_PAUSE_SECONDS
                    _safely(self._notifier.relay_gap)
                    self._carry(connection)
            except psycopg.Error as error:
                _log.warning("no connection for notices between processes, tried again in %.1f s: %s", pause, error)
                self._ended.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _carry(self, connection: psycopg.Connection[Any]) -> None:
        """Sends and hears until the end, or until the connection is lost."""
        rested = 0.0  # when sending is allowed again
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._sleeping, selectors.EVENT_READ)
            while not self._ended.is_set():
                selector.select(max(0.0, rested - time.monotonic()) if self._waiting else None)
                with contextlib.suppress(BlockingIOError):
                    os.read(self._sleeping, 4096)
                if self._waiting and time.monotonic() >= rested:
                    self._send(connection)
                    rested = time.monotonic() + GAP_SECONDS
                self._hear(connection)  # behind the sending: what came meanwhile was read with its answer, and wakes nobody
            self._send(connection)

    def _send(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            sent, self._waiting = self._waiting, {}
        entries = [f"{mailbox_uid.hex()}:{revision}" for mailbox_uid, revision in sent.items()]
        notices = [",".join(entries[begin : begin + _ENTRIES]) for begin in range(0, len(entries), _ENTRIES)]
        try:
            if notices:
                connection.execute(_SEND, (CHANNEL, notices))
        except psycopg.Error:
            self.announce(sent)  # by the next connection: hearing it twice harms nobody
            raise

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        """Hands on what other processes said; what this one said its listeners know already."""
        heard: dict[bytes, int] = {}
        for notice in connection.notifies(timeout=0):
            if notice.pid == connection.info.backend_pid:
                continue
            try:
                for entry in notice.payload.split(","):
                    mailbox_uid, _, revision = entry.partition(":")
                    uid = bytes.fromhex(mailbox_uid)
                    heard[uid] = max(int(revision), heard.get(uid, 0))
            except ValueError:
                _log.warning("a notice that is none of this server's: %.100s", notice.payload)
        for uid, reached in heard.items():
            _safely(self._notifier.relay, uid, reached)


def _safely(call: Callable[..., None], *arguments: object) -> None:
    """A listener that raises does not end the thread: it is logged."""
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - code of others
        _log.exception("what another process committed could not be announced")

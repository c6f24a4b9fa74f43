"""What PostgreSQL carries between the server's processes by LISTEN and NOTIFY: revisions of mailboxes, and word of mail to send.

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
    from collections.abc import Callable, Collection, Mapping, Sequence

    from rookery_server.store.units import Notifier

CHANNEL = "rookery"
QUEUE_CHANNEL = "rookery_queue"
GAP_SECONDS = 0.005
"""Between two sendings at least. The first announcement after a pause waits for nothing."""
FIRST_PAUSE_SECONDS = 0.1
"""Before a lost connection is opened again; doubled with each failure."""
LONGEST_PAUSE_SECONDS = 5.0

_ENTRIES = 140
"""Mailboxes in a notice: 32 digits of the uid, up to 20 of the revision and two marks each stay below PostgreSQL's 8,000 bytes."""
_DOMAINS = 30
"""Domains in a notice that rings, with up to 255 bytes each."""
_ANY = ""
"""Among those: it is not said which."""
_LISTEN = f"LISTEN {CHANNEL}; LISTEN {QUEUE_CHANNEL}".encode()
_SEND = "SELECT pg_notify(channel, notice) FROM unnest(%s::text[], %s::text[]) AS said(channel, notice)"

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
        self._rung: set[str] = set()
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
            asleep = not self._to_say
            for mailbox_uid, revision in announced.items():
                self._waiting[mailbox_uid] = max(revision, self._waiting.get(mailbox_uid, 0))
            if asleep and not self._ended.is_set():
                os.write(self._waking, b"\0")

    def ring(self, domains: Collection[str] = ()) -> None:
        """Has the other processes told that there is mail to be sent, and to which domains at any rate. From any thread."""
        with self._lock:
            asleep = not self._to_say
            self._rung.update(domains or {_ANY})
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

    @property
    def _to_say(self) -> bool:
        return bool(self._waiting or self._rung)

    def _serve(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ended.is_set():
            try:
                with contextlib.closing(self._connect()) as connection:
                    connection.execute(_LISTEN)
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
                selector.select(max(0.0, rested - time.monotonic()) if self._to_say else None)
                with contextlib.suppress(BlockingIOError):
                    os.read(self._sleeping, 4096)
                if self._to_say and time.monotonic() >= rested:
                    self._send(connection)
                    rested = time.monotonic() + GAP_SECONDS
                self._hear(connection)  # behind the sending: what came meanwhile was read with its answer, and wakes nobody
            self._send(connection)

    def _send(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            sent, self._waiting = self._waiting, {}
            rung, self._rung = self._rung, set()
        entries = [f"{mailbox_uid.hex()}:{revision}" for mailbox_uid, revision in sent.items()]
        notices, rings = _divided(entries, _ENTRIES), _divided(sorted(rung), _DOMAINS)
        try:
            if notices or rings:
                channels = [CHANNEL] * len(notices) + [QUEUE_CHANNEL] * len(rings)
                connection.execute(_SEND, (channels, notices + rings))
        except psycopg.Error:
            self.announce(sent)  # by the next connection: hearing it twice harms nobody
            if rung:
                self.ring(rung)
            raise

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        """Hands on what other processes said; what this one said its listeners know already."""
        heard: dict[bytes, int] = {}
        rung: set[str] = set()
        for notice in connection.notifies(timeout=0):
            if notice.pid == connection.info.backend_pid:
                continue
            if notice.channel == QUEUE_CHANNEL:
                rung.update(notice.payload.split(","))
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
        if rung:
            _safely(self._notifier.relay_ring, rung - {_ANY})


def _divided(entries: Sequence[str], most: int) -> list[str]:
    """The entries in notices of at most so many."""
    return [",".join(entries[begin : begin + most]) for begin in range(0, len(entries), most)]


def _safely(call: Callable[..., None], *arguments: object) -> None:
    """A listener that raises does not end the thread: it is logged."""
    try:
        call(*arguments)
    except Exception:  # noqa: BLE001 - code of others
        _log.exception("what another process committed could not be announced")

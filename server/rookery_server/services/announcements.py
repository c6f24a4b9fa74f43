"""What was committed, told to whoever in this process wants to know: the store's notifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[bytes, int], None]


class Announcements:
    """Hands each announcement on to all listeners, in the store's own thread.

    A listener is quick, is safe to call from several threads, does not raise, and hands longer work to its event loop.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """From now on ``listener(mailbox_uid, revision)`` is called after each commit."""
        self._listeners = (*self._listeners, listener)

    def publish(self, mailbox_uid: bytes, revision: int) -> None:
        """See ``store.database.Notifier``."""
        for listener in self._listeners:
            listener(mailbox_uid, revision)

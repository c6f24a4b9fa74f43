"""What was committed, here or by another process, told to whoever in this process wants to know: the store's notifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Listener = Callable[[bytes, int], None]


class Announcements:
    """Hands each announcement on to all listeners, in the store's own thread.

    A listener is quick, is safe to call from several threads, does not raise, and hands longer work to its event loop.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._far: tuple[tuple[Listener, Callable[[], None]], ...] = ()
        self._rung: tuple[Callable[[Collection[str]], object], ...] = ()

    def listen(self, listener: Listener) -> None:
        """From now on ``listener(mailbox_uid, revision)`` is called after each commit of this process."""
        self._listeners = (*self._listeners, listener)

    def listen_everywhere(self, listener: Listener, after_gap: Callable[[], None]) -> None:
        """``listen``, but after each commit of any process on the database.

        ``after_gap()`` is called, in a thread of the store too, when commits of other processes may have gone unheard.
        """
        self.listen(listener)
        self._far = (*self._far, (listener, after_gap))

    def listen_for_rings(self, listener: Callable[[Collection[str]], object]) -> None:
        """From now on ``listener(domains)`` is called when others may have put something into the queue of outgoing mail.

        The domains are to be tried at once, even if their hosts do not answer. In a thread of the store.
        """
        self._rung = (*self._rung, listener)

    def publish(self, mailbox_uid: bytes, revision: int) -> None:
        """See ``store.database.Notifier``."""
        for listener in self._listeners:
            listener(mailbox_uid, revision)

    def relay(self, mailbox_uid: bytes, revision: int) -> None:
        """See ``store.database.Notifier``."""
        for listener, _ in self._far:
            listener(mailbox_uid, revision)

    def relay_gap(self) -> None:
        """See ``store.database.Notifier``."""
        for _, after_gap in self._far:
            after_gap()
        self.relay_ring(())

    def relay_ring(self, domains: Collection[str]) -> None:
        """See ``store.database.Notifier``."""
        for listener in self._rung:
            listener(domains)

"""Calls from event loops into threads, and the way of their answers back."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rookery_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_SHORT_TURN_SECONDS = 50e-6
"""A turn of an event loop that is over sooner had nothing to do."""
_SHORT_TURNS = 4
"""So many of them in a row: what comes by way of other threads takes some turns each."""
_LONGEST_GATHERING_SECONDS = 0.01

W = TypeVar("W")
T = TypeVar("T")


class Call(Generic[W]):
    """Work that a task waits for. ``result`` or ``error`` is filled in by the thread that runs it."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Callable[[W], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Hands the outcome to the waiting task. In the call's own loop only."""
        if self.future.done():  # cancelled meanwhile
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):  # a future refuses it, and the calls behind would never be settled
            self.future.set_exception(RuntimeError("work raised StopIteration"))
        else:
            self.future.set_exception(self.error)
        self.error = None  # an exception that holds its own call would wait for the garbage collector


class Answers:
    """Brings outcomes back to the loops, waking each loop once for all that is ready: a wake-up costs a system call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: dict[asyncio.AbstractEventLoop, list[Call[Any]]] = {}

    def deliver(self, calls: Iterable[Call[Any]]) -> None:
        """Settles the calls, each in its loop. A loop that is closed has nobody waiting: its calls are dropped."""
        asleep: list[asyncio.AbstractEventLoop] = []
        with self._lock:
            for call in calls:
                if call.loop in self._ready:
                    self._ready[call.loop].append(call)
                else:
                    self._ready[call.loop] = [call]
                    asleep.append(call.loop)
        for loop in asleep:
            try:
                loop.call_soon_threadsafe(self._settle, loop)
            except RuntimeError:  # the loop is closed
                self._take(loop)

    def _take(self, loop: asyncio.AbstractEventLoop) -> list[Call[Any]]:
        with self._lock:
            return self._ready.pop(loop, [])

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        for call in self._take(loop):
            call.settle()


class _Gathered(Generic[W]):
    """Calls of one event loop that come into the queue together."""

    __slots__ = ("_began", "_patient", "_short_turns", "_turned", "calls")

    def __init__(self, now: float, *, patient: bool) -> None:
        self._patient = patient
        self.calls: list[Call[W]] = []
        self._began = self._turned = now
        self._short_turns = 0

    def may_grow(self, now: float) -> bool:
        """Whether others are to be waited for: the loop, one of whose turns ends now, has had other things to do until now."""
        self._short_turns = self._short_turns + 1 if now - self._turned < _SHORT_TURN_SECONDS else 0
        self._turned = now
        return self._patient and self._short_turns < _SHORT_TURNS and now - self._began < _LONGEST_GATHERING_SECONDS


class Inbox(Generic[W]):
    """The queue in front of one thread or several."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Call[W] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._idle = False  # the thread waits
        self._crowded = False  # it got several calls at once the last time
        self._gathered: dict[asyncio.AbstractEventLoop, _Gathered[W]] = {}  # accepted, and not in the queue yet

    async def call(self, work: Callable[[W], T]) -> T:
        """Queues the work and waits for its outcome; ``Unavailable`` ``SERVER_STOPPING`` once the inbox is closed."""
        call = Call(work)
        with self._lock:
            self._require_open()
            self._queue.put(call)
        result: T = await call.future
        return result

    async def call_with_others(self, work: Callable[[W], T]) -> T:
        """``call``, where the thread takes all that waits at once: what tasks ask for comes in together.

        That is after the turn of the loop; and when there is much to do, when the loop has nothing else to do for now, or after a
        moment. Otherwise the thread would begin with the first of them alone, and the loop and the thread would be in each other's
        way.
        """
        call = Call(work)
        with self._lock:
            self._require_open()
            gathered = self._gathered.get(call.loop)
            if gathered is None:
                gathered = self._gathered[call.loop] = _Gathered(call.loop.time(), patient=not self._idle or self._crowded)
                call.loop.call_soon(self._queue_gathered, call.loop, gathered)
            gathered.calls.append(call)
        result: T = await call.future
        return result

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("SERVER_STOPPING", "The server is shutting down: try again.")

    def _queue_gathered(self, loop: asyncio.AbstractEventLoop, gathered: _Gathered[W]) -> None:
        """At the end of a turn of the loop."""
        if gathered.may_grow(loop.time()):
            loop.call_soon(self._queue_gathered, loop, gathered)
            return
        with self._lock:
            if self._gathered.pop(loop, None) is not None:  # otherwise the inbox was closed meanwhile
                for call in gathered.calls:
                    self._queue.put(call)

    def close(self, threads: int) -> None:
        """Refuses new calls. Each of the threads gets None behind the calls that were accepted."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for gathered in self._gathered.values():
                    for call in gathered.calls:
                        self._queue.put(call)
                self._gathered.clear()
                for _ in range(threads):
                    self._queue.put(None)

    def next(self) -> Call[W] | None:
        """The next call, waited for; None when the thread is to end."""
        self._idle = True
        try:
            return self._queue.get()
        finally:
            self._idle = False

    def waiting(self, most: int) -> tuple[list[Call[W]], bool]:
        """Up to ``most`` calls that wait already, and whether the end is behind them."""
        calls: list[Call[W]] = []
        while len(calls) < most:
            try:
                call = self._queue.get_nowait()
            except queue.Empty:
                break
            if call is None:
                return calls, True
            calls.append(call)
        self._crowded = bool(calls)
        return calls, False


class Threads(Generic[W]):
    """A fixed number of threads that run calls, one at a time each.

    ``worker`` is called once in every thread and gives what runs one call and what ends the thread's resources. It must not
    raise: what can fail (opening a connection) belongs into the run, where the caller learns of it.
    """

    def __init__(
        self, name: str, size: int, worker: Callable[[], tuple[Callable[[Callable[[W], Any]], Any], Callable[[], None]]]
    ) -> None:
        self._inbox: Inbox[W] = Inbox()
        self._answers = Answers()
        self._worker = worker
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    async def call(self, work: Callable[[W], T]) -> T:
        """What the work gives or raises, run in one of the threads."""
        return await self._inbox.call(work)

    def refuse(self) -> None:
        """Takes no more calls, and lets the threads end once they have run what was accepted."""
        self._inbox.close(len(self._threads))

    def join(self) -> None:
        """Blocks until the threads have ended."""
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        run, end = self._worker()
        while (call := self._inbox.next()) is not None:
            if call.future.cancelled():
                continue
            try:
                call.result = run(call.work)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
                call.error = error
            self._answers.deliver((call,))
            del call  # its result is not to be held until the next call comes
        end()

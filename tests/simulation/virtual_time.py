"""An event loop whose time is a number: sleeping costs nothing, and what happens when follows from the program alone."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.crashes import Died

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from _typeshed import FileDescriptorLike

T = TypeVar("T")

_RESOLUTION = 1e-6
"""Seconds: after some months a float can not tell much shorter times from none."""


class _Selector(selectors.DefaultSelector):
    """Never waits: where the loop has nothing to do until some time, it is that time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready at once."""
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.now += timeout
        return ready

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """As ever: the loop's own wake-up call."""
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        return key


class VirtualLoop(asyncio.SelectorEventLoop):
    """Has no threads either: what is handed to an executor is done on the spot."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._clock_resolution = _RESOLUTION
        self.set_exception_handler(_tell)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Calls it at once."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)
        return future


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tells of errors that nobody has taken; a task of a server that died is missed by nobody."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs it in a virtual time of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)

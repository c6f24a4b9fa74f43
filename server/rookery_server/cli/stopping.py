"""How commands that run until somebody ends them are asked to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE_SECONDS = 10.0
"""What is given to whatever runs then."""


@contextlib.contextmanager
def signals(asked: asyncio.Event) -> Iterator[None]:
    """The first signal asks to stop, the second one does what it always did."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asked.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

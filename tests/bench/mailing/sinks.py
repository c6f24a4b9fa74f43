"""Where all mail of the benchmark goes: an smtp-sink for each destination, which takes everything, keeps nothing, and counts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tests.gateway import postfix

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

DESTINATIONS = 20
_START_SECONDS = 30.0
_COUNT = re.compile(rb"mesg=(\d+)")
_COUNTER_BYTES = 200
"""The counters are written one behind the other; the last of them are within so many bytes."""


@dataclasses.dataclass(frozen=True)
class Sinks:
    """Running ones, all on the same port of different loopback addresses."""

    port: int
    logs: dict[str, pathlib.Path]
    """Where each counts, by its address."""

    @property
    def hosts(self) -> dict[str, str]:
        """Domains and the addresses of their mail hosts."""
        return {f"d{number}.test": address for number, address in enumerate(self.logs, start=1)}

    def taken(self) -> int:
        """How many messages they have taken so far."""
        return sum(_last_count(log) for log in self.logs.values())


@contextlib.contextmanager
def running_sinks(folder: pathlib.Path, count: int = DESTINATIONS) -> Iterator[Sinks]:
    """So many sinks, with their counters in an empty folder."""
    program = postfix.program("smtp-sink")
    addresses = [f"127.0.0.{10 + number}" for number in range(count)]
    port = _free_port(addresses)
    sinks = Sinks(port, {address: folder / address for address in addresses})
    identity = ["-u", "nobody"] if os.geteuid() == 0 else []
    with contextlib.ExitStack() as stack:
        for address, log in sinks.logs.items():
            output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen([program, "-c", *identity, f"{address}:{port}", "100"], stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for address in addresses:
            _wait_for(address, port)
        yield sinks


def _last_count(log: pathlib.Path) -> int:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _COUNTER_BYTES))
        found = _COUNT.findall(file.read())
    return int(found[-1]) if found else 0


def _free_port(addresses: list[str]) -> int:
    """A port that nobody listens on at any of the addresses."""
    while True:
        with contextlib.ExitStack() as stack:
            port = 0
            with contextlib.suppress(OSError):
                for address in addresses:
                    port = stack.enter_context(socket.create_server((address, port))).getsockname()[1]
                return port


def _wait_for(address: str, port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"smtp-sink does not listen on {address}:{port}")
        time.sleep(0.02)

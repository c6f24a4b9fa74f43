"""Deliveries by LMTP, beside Dovecot's, and how long it takes until a device has what was delivered."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench import figures
from tests.bench.figures import Figure
from tests.bench.receiving import dovecot, live
from tests.bench.server import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESSES = tuple(f"person{number}@bench.example" for number in range(8))
TURNS = 3
"""Both servers take turns, so that whatever else the machine does meanwhile slows down both. Neither has anything left to do while
the other is measured: ours indexes what came before."""
_CASES = ((1, 1), (8, 8), (8, 1))
"""Connections, and mailboxes that they deliver to."""
_START_SECONDS = 60.0


def run(folder: pathlib.Path, seed: int, rounds: int) -> list[Figure]:
    """Measures, with files in an empty folder. A turn is as many messages as ``rounds`` for each connection, at most 500."""
    port = free_port()
    program = (str(pathlib.Path(sys.executable).parent / "rookeryd"), "serve", "--lmtp", f"127.0.0.1:{port}")
    with serving(folder, accounts=ADDRESSES, program=program) as server, _peer(folder.parent) as peer:
        _wait(port)
        found = []
        numbers = 0
        for connections, mailboxes in _CASES:
            each = min(500, rounds // 2)
            count = each * connections
            rates: list[list[float]] = [[], []]
            cpu = 0.0
            for _ in range(TURNS):
                before = server.cpu_seconds()
                rates[0].append(count / _deliver(port, connections, mailboxes, count, seed, numbers))
                asyncio.run(server.quiet())
                cpu += server.cpu_seconds() - before
                if peer is not None:
                    rates[1].append(count / _deliver(peer, connections, mailboxes, count, seed, numbers))
                numbers += count
            found += _figures(connections, mailboxes, rates, cpu / TURNS / count)
            figures.say(f"LMTP with {connections} connections: done")
        found += asyncio.run(live.measure(server, folder, port, ADDRESSES[0], seed, numbers, rounds // 2))
    return figures.within("Deliveries by LMTP, 25 KB on average", found)


def _figures(connections: int, mailboxes: int, rates: list[list[float]], cpu_seconds: float) -> list[Figure]:
    name = f"{connections} connection{'s' * (connections > 1)}, {mailboxes} mailbox{'es' * (mailboxes > 1)}"
    ours = statistics.median(rates[0])
    rate = (
        figures.at_least(name, ours, "messages/s", "Dovecot, sdbox", statistics.median(rates[1]), 1.0)
        if rates[1]
        else Figure(name, ours, "messages/s")
    )
    return [rate, Figure(f"{name}: CPU time of the server for a message, its index included", cpu_seconds * 1000, "ms")]


@contextlib.contextmanager
def _peer(folder: pathlib.Path) -> Iterator[int | None]:
    """Dovecot's port; None where it is missing."""
    with contextlib.ExitStack() as stack:
        try:
            port: int | None = stack.enter_context(dovecot.serving(folder))
        except dovecot.Missing as missing:
            figures.say(f"Dovecot is not measured: {missing}")
            port = None
        yield port


def _deliver(port: int, connections: int, mailboxes: int, count: int, seed: int, first: int) -> float:
    """Seconds for so many messages, delivered by a process of its own."""
    numbers = map(str, (port, connections, count, seed, first))
    command = [sys.executable, "-m", "tests.bench.receiving.lmtp_client", *numbers, *ADDRESSES[:mailboxes]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        if client.stdout is None or client.stdout.readline() != "ready\n":
            raise RuntimeError("the LMTP client did not come up")
        said, _ = client.communicate("begin\n")
    try:
        return float(said)
    except ValueError:
        raise RuntimeError(f"a delivery was refused: {said.strip()}") from None


def _wait(port: int) -> None:
    """Until the server listens."""
    last = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > last:
            raise RuntimeError("the server did not listen for mail")
        time.sleep(0.1)

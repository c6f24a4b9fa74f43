"""The benchmark: `make bench`. One server process on SQLite, one mailbox out of a seed, every figure beside its limit.

`make bench BENCH=--sync` measures synchronisation instead: on SQLite and PostgreSQL, with a second mailbox four times as large.
`make bench BENCH=--mail` measures mail on its way out instead: on both, beside Postfix, to smtp-sink.
`make bench BENCH=--lmtp` measures mail that comes in, beside Dovecot.
`make bench BENCH=--calendars` measures calendars laid out in time, free/busy (both beside recurring-ical-events), and bookings.

Client and server run on the same machine and share its cores, so the figures are comparable with their limits, not with those
of another machine. Nothing is asserted: a missed target is marked in the table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import platform
import sqlite3
import tempfile
from typing import TYPE_CHECKING

import grpc

from rookery_client import Client
from tests.bench import bookings, bytestream, calendars, calls, downloading, figures, free_busy, importing, listing, searching
from tests.bench.figures import Figure
from tests.bench.generator import RARE_WORD, Generator
from tests.bench.mailing import measuring as mail_measuring
from tests.bench.receiving import measuring as receiving
from tests.bench.server import ADDRESS, PASSWORD, Connection, Server, connected, serving
from tests.bench.syncing import measuring
from tests.bench.timing import sample

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENTS = 16
FRAME, MESSAGE = 256 << 10, 1 << 20
"""Decoded bytes of a compressed frame, and of a message of what can not be compressed."""


class Bench:
    """One run of all measurements."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.messages: int = options.messages
        self.few = max(listing.PAGE * 4, self.messages // 10)
        self.seed: int = options.seed
        self.attachment_bytes: int = options.attachment_mib << 20
        self.rounds = 200 if options.quick else 1_000
        self.figures: list[Figure] = []

    async def run(self, folder: pathlib.Path) -> None:
        """Measures everything, with files in an empty folder."""
        progress = importing.Progress()
        generator = Generator(self.seed)
        with serving(folder) as server:
            async with connected(server) as connection:
                self._memory("resident memory at start", server)
                await self._fill_and_list(connection, server, generator, progress)
                self._memory("resident memory after the import", server)
                await self._search(connection, generator)
                await self._calls(connection, progress)
                async with Client.connect(server.target) as client:
                    await client.login(ADDRESS, PASSWORD, "downloads")
                    await self._download(connection, client, "text", self._compressible(generator), FRAME)
                    await self._download(connection, client, "random bytes", os.urandom(self.attachment_bytes), MESSAGE)
                self._memory("resident memory at the end", server)
                self.figures.append(Figure("resident memory, highest", server.peak_mib(), "MiB"))
        raw = importing.raw_per_second(server, progress, folder)
        mean = progress.size_bytes / progress.messages / 1000
        name = f"import of {progress.messages:,} messages, {mean:.1f} KB each, {progress.batch} a transaction"
        self.figures.insert(0, figures.at_least(name, progress.per_second, "messages/s", "raw sqlite3", raw, 0.5))

    def _memory(self, name: str, server: Server) -> None:
        self.figures.append(Figure(name, server.resident_mib(), "MiB"))

    async def _fill_and_list(
        self, connection: Connection, server: Server, generator: Generator, progress: importing.Progress
    ) -> None:
        await importing.fill(connection, server, generator, progress, self.few)
        small = await self._pages(connection, server, progress)
        await importing.fill(connection, server, generator, progress, self.messages)
        large = await self._pages(connection, server, progress)
        rows = [
            (f"first page of {listing.PAGE}, {self.few:,} messages", small[0], "", None),
            (f"first page of {listing.PAGE}, {self.messages:,} messages", large[0], f"of {self.few:,}", small[0]),
            (f"deep page of {listing.PAGE}, {self.few:,} messages", small[1], "first page", small[0]),
            (f"deep page of {listing.PAGE}, {self.messages:,} messages", large[1], f"first of {self.few:,}", small[0]),
        ]
        for name, measured, peer, limit in rows:
            row = Figure(name, measured, "ms") if limit is None else figures.at_most(name, measured, "ms", peer, limit, 1.2)
            self.figures.append(row)

    async def _pages(self, connection: Connection, server: Server, progress: importing.Progress) -> tuple[float, float]:
        """The first page and a deep one, measured once the search index has caught up."""
        await server.quiet()
        deep = await listing.token_at(connection, progress.messages * 9 // 10 // listing.PAGE * listing.PAGE)
        rounds = self.rounds // 2
        return await listing.page_ms(connection, "", rounds), await listing.page_ms(connection, deep, rounds)

    async def _search(self, connection: Connection, generator: Generator) -> None:
        for kind, query in (("rare", RARE_WORD), ("common", generator.common_word)):
            milliseconds = await searching.first_page_ms(connection, query, self.rounds // 10)
            self.figures.append(figures.below(f"search, first page, {kind} word", milliseconds, "ms", 50))

    async def _calls(self, connection: Connection, progress: importing.Progress) -> None:
        read = calls.read_one(connection, progress.item_ids, self.seed)
        mark = calls.mark_one(connection, progress.item_ids, self.seed)
        for at_once in (1, CLIENTS):
            who = "1 client" if at_once == 1 else f"{at_once} clients"
            empty = await sample(connection.empty_call, self.rounds * 2, at_once)
            reading = await sample(read, self.rounds * 2, at_once)
            marking = await sample(mark, self.rounds // 2, at_once)
            self.figures += [
                figures.at_most(f"read, {who}", reading.median_ms, "ms", "empty call", empty.median_ms, 2),
                figures.at_least(f"reads, {who}", reading.per_second, "a second", "empty calls", empty.per_second, 0.5),
                Figure(f"durable update, {who}", marking.median_ms, "ms", "empty call", empty.median_ms),
                Figure(f"durable updates, {who}", marking.per_second, "a second", "empty calls", empty.per_second),
            ]

    def _compressible(self, generator: Generator) -> bytes:
        text = b"".join(generator.message(number) for number in range(200, 400))
        return (text * (self.attachment_bytes // len(text) + 1))[: self.attachment_bytes]

    async def _download(self, connection: Connection, client: Client, kind: str, content: bytes, piece: int) -> None:
        """The peer streams as many bytes, in messages of ``piece``, as gRPC does it by itself; then with memory kept as ours is."""
        item_id = await downloading.attach(connection, content)
        speed = await downloading.download(client, item_id, len(content))
        bare, keeping = (bytestream.speed(len(content), piece, keeping_memory=keeps) for keeps in (False, True))
        name = f"download of {len(content) >> 20} MiB, {kind}"
        self.figures.append(figures.at_least(name, speed, "MB/s", "bare gRPC stream", bare, 0.7))
        self.figures.append(Figure(name, speed, "MB/s", "the same, its client keeping freed memory", keeping))


def _machine() -> dict[str, str]:
    return {
        "processors": str(os.cpu_count()),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "gRPC": grpc.__version__,
        "system": platform.system(),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures Rookery beside its limits.")
    parser.add_argument("--messages", type=int, default=50_000, help="messages in the mailbox (50000)")
    parser.add_argument("--seed", type=int, default=1, help="what the mailbox is made of (1)")
    parser.add_argument("--attachment-mib", type=int, default=64, help="size of the attachment that is downloaded (64)")
    parser.add_argument("--sync", action="store_true", help="measure synchronisation instead of all else, on both engines")
    parser.add_argument("--lmtp", action="store_true", help="measure mail that comes in by LMTP instead of all else")
    parser.add_argument("--calendars", action="store_true", help="measure calendars laid out in time instead of all else")
    parser.add_argument("--mail", action="store_true", help="measure mail on its way out instead of all else, beside Postfix")
    parser.add_argument("--quick", action="store_true", help="2,000 messages and few repetitions, for a first look")
    parser.add_argument("--folder", type=pathlib.Path, help="where the data goes meanwhile: the disk to be measured")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures to this file too, as JSON")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the figures to this file too, as a Markdown table")
    options = parser.parse_args(arguments)
    if options.quick:
        options.messages = min(options.messages, 2_000)
    if options.messages < listing.PAGE * 10:
        parser.error(f"--messages: at least {listing.PAGE * 10}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs all measurements and shows them."""
    options = _options(arguments)
    bench = Bench(options)
    with tempfile.TemporaryDirectory(prefix="rookery-bench-", dir=options.folder) as folder:
        if options.mail:
            bench.figures += mail_measuring.run(pathlib.Path(folder), *((500, 10_000) if options.quick else (3_000, 100_000)))
        elif options.sync:
            bench.figures += measuring.run(pathlib.Path(folder), bench.messages, bench.seed, bench.rounds)
        elif options.lmtp:
            bench.figures += receiving.run(pathlib.Path(folder), bench.seed, bench.rounds)
        elif options.calendars:
            bench.figures += calendars.run(pathlib.Path(folder), bench.seed)
            bench.figures += free_busy.run(pathlib.Path(folder) / "free_busy", bench.seed)
            bench.figures += bookings.run(pathlib.Path(folder) / "bookings")
        else:
            asyncio.run(bench.run(pathlib.Path(folder)))
    figures.show(bench.figures)
    if options.json:
        figures.write_json(bench.figures, _machine(), options.json)
    if options.markdown:
        figures.write_markdown(bench.figures, _machine(), options.markdown)


if __name__ == "__main__":
    main()

"""All that is measured of synchronisation, on both engines, each figure beside its limit out of the same run."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from tests.bench import figures
from tests.bench.engines import engines
from tests.bench.figures import Figure
from tests.bench.server import serving
from tests.bench.syncing import catching_up, filling, imap, live, mailbox, reconciling, writing
from tests.bench.syncing.device import opened
from tests.bench.syncing.stage import LARGE, SMALL, TIMES, Stage

if TYPE_CHECKING:
    import pathlib

IMAP_MESSAGES = 10_000
"""Messages of the peer's mailbox at most: each is a file, and listing many takes IMAP minutes."""


def run(folder: pathlib.Path, count: int, seed: int, rounds: int) -> list[Figure]:
    """Measures with a mailbox of so many items and one of four times as many, with files in an empty folder and beside it."""
    found: list[Figure] = []
    for engine, url in engines(folder):
        figures.say(f"{engine}: filling the mailboxes")
        place = folder / engine
        place.mkdir()
        prepare = partial(_prepare, count=count, seed=seed)
        with url as database_url, serving(place, prepare, database_url=database_url, accounts=(SMALL, LARGE)) as server:
            found += asyncio.run(_measure(Stage(server, place, count, rounds), engine))
    return found + figures.within("Beside IMAP", _peer(folder, count, seed, found))


def _prepare(database_url: str, count: int, seed: int) -> None:
    mailbox.fill(database_url, SMALL, count, seed)
    mailbox.fill(database_url, LARGE, count * TIMES, seed)


async def _measure(stage: Stage, engine: str) -> list[Figure]:
    found: list[Figure] = []

    def note(topic: str, rows: list[Figure]) -> None:
        found.extend(figures.within(f"{engine}: {topic}", rows))
        figures.say(f"{engine}: {topic}: done")

    await stage.server.quiet()
    summaries: dict[str, filling.Stream] = {}
    for address, count in stage.mailboxes:
        summaries[address], everything, rows = await filling.streams(stage, address, count)
        note("first fill", rows + await filling.whole(stage, address, everything))
    async with (
        opened(stage, SMALL, sync_pb2.SYNC_DEPTH_SUMMARY) as small,
        opened(stage, LARGE, sync_pb2.SYNC_DEPTH_SUMMARY) as large,
    ):
        note("first fill", await filling.replica(small, summaries[SMALL]) + await filling.replica(large, summaries[LARGE]))
        note("catch-up", await catching_up.measure(stage, [small, large]) + await catching_up.nothing_new(stage))
        note("live", await live.measure(stage, small))
        note("reconcile", await reconciling.measure(large, summaries[LARGE].size))
    note("writers", await writing.measure(stage))
    return found


def _peer(folder: pathlib.Path, count: int, seed: int, found: list[Figure]) -> list[Figure]:
    """What a mail program gets of the same mailbox over IMAP, beside what a replica gets on each engine."""
    messages = min(count, IMAP_MESSAGES)
    figures.say(f"IMAP: {messages:,} messages in Dovecot")
    try:
        peer = imap.measure(folder.parent, messages, seed)
    except imap.Missing as missing:
        figures.say(f"Dovecot is not measured: {missing}")
        return []
    return [
        Figure(f"{row.section} of {row.name}", row.measured, row.unit, f"FETCH of {messages:,} from Dovecot", peer)
        for row in found
        if row.name.endswith("summaries, durable in the replica")
    ]

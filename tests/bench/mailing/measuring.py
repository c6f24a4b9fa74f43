"""All that is measured of mail on its way out: on both engines, beside Postfix where there is one."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.bench import figures
from tests.bench.engines import engines
from tests.bench.figures import Figure
from tests.bench.mailing import backlog, peer, sending
from tests.bench.mailing.sinks import DESTINATIONS, Sinks, running_sinks

if TYPE_CHECKING:
    import pathlib

    from tests.bench.mailing.peer import Rate

SIZE_BYTES = 5 << 10
RECIPIENTS = (1, 4)
_WARM_UP = 200
_SESSIONS = 1
"""Of each of the sources that Postfix gets its mail from; there is one for each destination."""
_TOLERATED = 0.9
"""What is left of the rate with a long queue for a dead domain."""


def run(folder: pathlib.Path, count: int, queued: int) -> list[Figure]:
    """Measures with so many messages, and with so many queued for a dead domain, with files in an empty folder."""
    folder.chmod(0o755)  # Postfix and the sinks are other users
    (folder / "sinks").mkdir()
    found: list[Figure] = []
    with running_sinks(folder / "sinks") as sinks:
        rates = _postfix(folder, sinks, count)
        for (engine, url), (_, other) in zip(engines(folder), engines(folder), strict=True):
            figures.say(f"{engine}: mail to {DESTINATIONS} destinations")
            place = folder / f"{engine} alone"
            with url as database_url:
                alone, rows = asyncio.run(_measure(place, database_url, sinks, count, rates))
            place = folder / f"{engine} queued"
            with other as database_url:
                rows += asyncio.run(_with_backlog(place, database_url, sinks, count, queued, alone))
            found += figures.within(f"{engine}: mail", rows)
    return found


def _postfix(folder: pathlib.Path, sinks: Sinks, count: int) -> dict[int, Rate]:
    """Postfix's rates by the number of recipients; none where there is no Postfix."""
    try:
        with peer.running(folder, sinks) as relay:
            peer.measure(relay, sinks, _WARM_UP, 1, SIZE_BYTES, _SESSIONS)
            return {each: peer.measure(relay, sinks, count, each, SIZE_BYTES, _SESSIONS) for each in RECIPIENTS}
    except pytest.skip.Exception as missing:
        figures.say(f"Postfix is not measured: {missing}")
        return {}


async def _measure(
    folder: pathlib.Path, database_url: str, sinks: Sinks, count: int, rates: dict[int, Rate]
) -> tuple[Rate, list[Figure]]:
    """The rate with one recipient, and all rates."""
    async with sending.opened(folder, sinks, {}, database_url) as office:
        await sending.measure(office, _WARM_UP, 1, SIZE_BYTES)
        submitted = {recipients: await sending.measure(office, count, recipients, SIZE_BYTES) for recipients in RECIPIENTS}
        handed_in = {recipients: await sending.measure_by_smtp(office, count, recipients, SIZE_BYTES) for recipients in RECIPIENTS}
    rows = [
        row
        for way, found in (("", submitted), (", by SMTP", handed_in))
        for recipients, rate in found.items()
        for row in _beside(rate, rates.get(recipients), recipients, way)
    ]
    return submitted[1], rows


async def _with_backlog(
    folder: pathlib.Path, database_url: str, sinks: Sinks, count: int, queued: int, alone: Rate
) -> list[Figure]:
    async with sending.opened(folder, sinks, backlog.DEAD, database_url, partial(backlog.fill, count=queued)) as office:
        await sending.measure(office, _WARM_UP, 1, SIZE_BYTES)
        memory = office.server.resident_mib()
        rate = await sending.measure(office, count, 1, SIZE_BYTES)
    name = f"the same with {queued:,} queued for a dead domain"
    return [
        figures.at_least(name, rate.per_second, "messages/s", "without", alone.per_second, _TOLERATED),
        Figure("resident memory with that queue", memory, "MiB"),
    ]


def _beside(rate: Rate, postfix: Rate | None, recipients: int, way: str) -> list[Figure]:
    """A rate and its processor time; ``way``: how the messages came in, "" by gRPC."""
    name = f"5 KB to {recipients} recipient{'s' if recipients > 1 else ''}, from submission to smtp-sink{way}"
    cpu = f"processor time for a message to {recipients}{way}"
    if postfix is None:
        return [Figure(name, rate.per_second, "messages/s"), Figure(cpu, rate.cpu_ms, "ms")]
    return [
        figures.at_least(name, rate.per_second, "messages/s", "Postfix", postfix.per_second, 1),
        Figure(cpu, rate.cpu_ms, "ms", "Postfix", postfix.cpu_ms),
    ]

"""SIGKILL: what was acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import subprocess
import sys

from rookery_server.store import migrate
from rookery_server.store.database import open_database
from tests.support.engine_rows import add, names
from tests.support.fakes import RecordingNotifier

WRITER = """
import asyncio, sys
from rookery_server.store.database import open_database
from tests.support.engine_rows import add
from tests.support.fakes import RecordingNotifier

async def client(database, number):
    count = 0
    while True:
        name = await database.write(add(f"{number}-{count}"))
        print(name, flush=True)  # one write of a few bytes: whole, or not there
        count += 1

async def main():
    database = open_database(sys.argv[1], notifier=RecordingNotifier())
    await asyncio.gather(*(client(database, number) for number in range(8)))

asyncio.run(main())
"""


def write_until_killed(url: str) -> list[str]:
    """What a process had acknowledged when it was killed in the middle of its writes."""
    acknowledged: list[str] = []
    command = [sys.executable, "-c", WRITER, url]
    root = pathlib.Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(line.strip())
            if len(acknowledged) == 300:
                process.kill()  # and read on: what is in the pipe was acknowledged too
    assert process.returncode == -signal.SIGKILL
    return acknowledged


async def test_what_was_acknowledged_before_a_kill_is_there_afterwards(database_url: str) -> None:
    acknowledged = await asyncio.to_thread(write_until_killed, database_url)
    assert len(acknowledged) >= 300
    database = open_database(database_url, notifier=RecordingNotifier())
    assert set(acknowledged) <= set(await database.read(names))
    await database.write(add("after"))
    await database.close()
    assert migrate.check(database_url) == []

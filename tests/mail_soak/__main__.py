"""Kills a server under load, on each engine that the machine has, and prints the count: `make soak`.

python -m tests.mail_soak --kills 50
python -m tests.mail_soak --kills 50 --seed 42     this one
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import pathlib
import sys
import tempfile
import time

import pytest

from tests.mail_soak.soak import run
from tests.support import postgres


def main() -> None:
    """Ends with an AssertionError where a count is not even."""
    parser = argparse.ArgumentParser(prog="python -m tests.mail_soak")
    parser.add_argument("--kills", type=int, default=50, help="how often the server is killed on each engine (50)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what chance is made of; the time if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-mail-soak-") as folder, contextlib.ExitStack() as stack:
        engines = {"SQLite": ""}
        try:
            engines["PostgreSQL"] = stack.enter_context(postgres.running_cluster()).create("soak")
        except pytest.skip.Exception as missing:
            sys.stdout.write(f"PostgreSQL: {missing}\n")
        for engine, url in engines.items():
            place = pathlib.Path(folder) / engine
            place.mkdir()
            found = asyncio.run(run(place, url, kills=options.kills, seed=options.seed))
            sys.stdout.write(f"{engine}, seed {options.seed}: {found.line()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Some seeds of the simulation; `make soak` tries others for as long as one likes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.simulation.simulation import Report, run

if TYPE_CHECKING:
    import pathlib

SEEDS = range(1, 16)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_everybody_ends_with_the_same_and_nothing_is_lost(
    seed: int, migrated_sqlite: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    report = Report(seed)
    run(seed, migrated_sqlite, tmp_path, report)
    assert report.revision


def test_a_seed_replays_exactly_in_another_process_too() -> None:
    traces = [_trace("7", hash_seed) for hash_seed in ("1", "2")]
    assert len(traces[0].splitlines()) > 100
    assert traces[0] == traces[1]


def _trace(seed: str, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "--seed", seed, "--steps", "80"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

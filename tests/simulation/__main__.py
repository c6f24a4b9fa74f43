"""Runs the simulation on: `make soak`. Prints a line for each seed, and for one that fails its steps and what is wrong.

    python -m tests.simulation --seconds 600           seeds from the clock on, for so long
    python -m tests.simulation --seed 42               this one, with its steps

A seed that failed fails again in the same way, on any machine, as long as the program is the same.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

from rookery_server.store import migrate
from tests.simulation.simulation import STEPS, Report, run


def main() -> int:
    """0 if everything held in every run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on with new seeds")
    parser.add_argument("--seed", type=int, help="run this seed alone, and print its steps")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of each run, {STEPS} if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rookery-simulation-") as folder:
        template = pathlib.Path(folder) / "migrated.db"
        migrate.upgrade(f"sqlite:///{template}")
        if options.seed is not None:
            return int(not _holds(options.seed, template, options.steps, every_step=True))
        return _soak(template, options.seconds, options.steps)


def _soak(template: pathlib.Path, seconds: float, steps: int) -> int:
    seed, until = int(time.time()), time.monotonic() + seconds
    failed: list[int] = []
    while time.monotonic() < until:
        if not _holds(seed, template, steps, every_step=False):
            failed.append(seed)
        seed += 1
    _say(f"failed: {', '.join(map(str, failed)) or 'none'}")
    return int(bool(failed))


def _holds(seed: int, template: pathlib.Path, steps: int, *, every_step: bool) -> bool:
    folder, report = template.with_name(f"seed-{seed}"), Report(seed)
    folder.mkdir()
    try:
        run(seed, template, folder, report, steps=steps)
    except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
        _say(*report.trace, f"seed {seed}: FAILED", traceback.format_exc())
        return False
    finally:
        shutil.rmtree(folder)
    if every_step:
        _say(*report.trace)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(report.reasons.items()))
    _say(f"seed {seed}: holds at revision {report.revision}; refused: {reasons or 'nothing'}")
    return True


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join((*lines, "")))
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())

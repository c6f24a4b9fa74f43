"""The engines that the machine has, as they run for real."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.bench import figures
from tests.support import postgres

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

_DURABLE = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "256MB"}
"""PostgreSQL as it runs for real, where the tests have it cut corners."""


def engines(folder: pathlib.Path) -> Iterator[tuple[str, contextlib.AbstractContextManager[str]]]:
    """The engines, and how to come by an empty database; "" for a file in the server's own folder."""
    yield "SQLite", contextlib.nullcontext("")
    try:
        postgres.binaries()
    except pytest.skip.Exception as missing:
        figures.say(f"PostgreSQL is not measured: {missing}")
    else:
        yield "PostgreSQL", _postgresql(folder)


@contextlib.contextmanager
def _postgresql(folder: pathlib.Path) -> Iterator[str]:
    with postgres.running_cluster({**postgres.SETTINGS, **_DURABLE}, folder.parent) as cluster:
        yield cluster.create("bench")

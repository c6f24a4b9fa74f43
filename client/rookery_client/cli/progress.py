"""Progress of long work, on stderr, and only where somebody looks."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import ProgressColumn


class Advance(Protocol):
    """Tells of a step of `count` bytes, and of the total as soon as it is known."""

    def __call__(self, count: int, *, total: float | None = None) -> None:
        """Moves the bar."""
        ...


@contextmanager
def bar(title: str, total: float | None, *, hidden: bool = False) -> Iterator[Advance]:
    """A bar for work of `total` bytes, None where it is not known yet; gives a function to tell of each step."""
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    with _progress(columns, hidden=hidden) as progress:
        task = progress.add_task(title, total=total)

        def advance(count: int, *, total: float | None = None) -> None:
            progress.update(task, advance=count, total=total)

        yield advance


class Show(Protocol):
    """Tells what is being done, and how much of how much is."""

    def __call__(self, title: str, done: int = 0, total: int | None = None) -> None:
        """Moves the bar; None: nobody knows how much there is."""
        ...


@contextmanager
def stages(*, hidden: bool = False) -> Iterator[Show]:
    """A bar for work in several stages, in which things are counted; gives a function to tell of each step."""
    columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    with _progress(columns, hidden=hidden) as progress:
        task = progress.add_task("", total=None)

        def show(title: str, done: int = 0, total: int | None = None) -> None:
            progress.update(task, description=title, completed=done, total=total)

        yield show


@contextmanager
def spinner(title: str) -> Iterator[None]:
    """A sign of life while the server works."""
    with _progress([SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]) as progress:
        progress.add_task(title, total=None)
        yield


def _progress(columns: list[ProgressColumn], *, hidden: bool = False) -> Progress:
    # Lines that go to stderr meanwhile, of documents that failed, are printed above the bar.
    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        disable=hidden or not sys.stderr.isatty(),
    )

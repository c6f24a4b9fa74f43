"""What is asked of the database: statements that SQLAlchemy sends, and those that go past it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from rookery_server.store.direct import Direct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """The texts of what is sent within the block. Connections that are open before tell nothing of what SQLAlchemy sends."""
    texts: list[str] = []

    def note(*call: Any) -> None:
        texts.append(call[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("all", "run_many"):  # all others go through these
                patch.setattr(Direct, name, _noting(getattr(Direct, name), texts))
            yield texts
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _noting(method: Callable[..., Any], texts: list[str]) -> Callable[..., Any]:
    def noting(direct: Direct, *arguments: Any) -> Any:
        texts.append(str(direct.statement))
        return method(direct, *arguments)

    return noting

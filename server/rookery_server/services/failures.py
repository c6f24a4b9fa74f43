"""Work on many mailboxes, of which one may fail without holding up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable

_log = structlog.get_logger(__name__)


class Failures:
    """Keeps what went wrong until all had their turn."""

    def __init__(self, work: str) -> None:
        self._work = work  # for the log
        self._first: Exception | None = None

    async def attempt(self, step: Awaitable[int], mailbox_id: int) -> int | None:
        """What the step gives; None if it failed, which is logged."""
        try:
            return await step
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one mailbox, the others are not to wait for it
            _log.warning("mailbox left out", work=self._work, mailbox=mailbox_id, error=repr(error))
            self._first = self._first or error
            return None

    def raise_first(self) -> None:
        """Raises the first failure, if there was one, so that the job runner comes back soon."""
        if self._first is not None:
            raise self._first

"""Checking on records what the database can not check of a restriction."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from rookery_core.rules import restrictions
from rookery_server.services.items import item_packing
from rookery_server.store import item_contents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from rookery.v1.restriction_pb2 import Restriction
    from rookery_server.store.items import PackedRow

DECODED_BYTES = 64 << 20
"""Decoded content that one page looks at; the content that goes beyond it is the last."""


class Matcher:
    """Checks rows for one page."""

    def __init__(self, residual: Restriction | None) -> None:
        """``residual`` is what is left of a valid restriction; None if the database has checked all of it."""
        self._holds = None if residual is None else restrictions.predicate(residual)
        self._needs_content = residual is not None and restrictions.needs_content(residual)
        self._left = DECODED_BYTES
        self.exhausted = False
        """A row was not looked at, because the page has looked at as much content as it may."""

    def check(self, connection: Connection, mailbox_id: int, rows: Sequence[PackedRow]) -> Iterator[bool]:
        """Whether each of the rows fits, in order, at most 500; ends before the last row if that exhausts the page.

        Contents are read as they are asked for. The first row of a page is always looked at.
        """
        if self._holds is None:
            yield from repeat(True, len(rows))
        elif not self._needs_content:
            for row in rows:
                yield self._holds(item_packing.unpack(row))
        else:
            for row, stored in zip(rows, item_contents.each(connection, mailbox_id, [row.id for row in rows]), strict=True):
                if self._left <= 0:
                    self.exhausted = True
                    return
                content = item_packing.decompress(stored)
                self._left -= len(content)
                yield self._holds(item_packing.unpack(row, content))

"""API tests run against a whole server in this process, on every engine."""

from __future__ import annotations

from tests.support.server import server

__all__ = ["server"]

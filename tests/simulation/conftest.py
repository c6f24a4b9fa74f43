"""A migrated database to begin with."""

from __future__ import annotations

from tests.support.databases import migrated_sqlite

__all__ = ["migrated_sqlite"]

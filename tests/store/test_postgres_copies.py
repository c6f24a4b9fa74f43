"""Tests may use a database again only if it is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.postgres import PostgresCluster
    from tests.support.postgres_copies import PostgresCopies

pytestmark = pytest.mark.postgresql

ADD = "INSERT INTO domain (name, created) VALUES ('left.example', 1)"


def test_a_database_comes_again_without_a_row(postgres_cluster: PostgresCluster, postgres_copies: PostgresCopies) -> None:
    name = postgres_copies.take()
    postgres_cluster.execute(ADD, name)
    postgres_copies.give_back(name)
    assert postgres_copies.take() == name
    assert postgres_cluster.execute("SELECT count(*) FROM domain", name) == [(0,)]
    postgres_copies.give_back(name)


@pytest.mark.parametrize(
    "change", ["DROP INDEX {index}", "ALTER TABLE domain ADD COLUMN x int", "ALTER DATABASE {name} SET lock_timeout = 1"]
)
def test_a_database_that_is_not_as_it_was_does_not_come_again(
    postgres_cluster: PostgresCluster, postgres_copies: PostgresCopies, change: str
) -> None:
    name = postgres_copies.take()
    [(index,)] = postgres_cluster.execute("SELECT min(indexname) FROM pg_indexes WHERE indexname LIKE 'ix_%'", name)
    postgres_cluster.execute(change.format(name=name, index=index), name)
    postgres_copies.give_back(name)
    assert postgres_cluster.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []

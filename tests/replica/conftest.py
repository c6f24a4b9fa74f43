"""A replica in a file of its own, and the mailbox's side of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery_client.replica.replica import Replica
from tests.support.fakes import FakeClock, SequentialIds
from tests.support.replica_batches import Sender
from tests.support.replica_filling import IDENTITY
from tests.support.replica_sight import Sight

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ids(clock: FakeClock) -> SequentialIds:
    return SequentialIds(clock)


@pytest.fixture
def replica(tmp_path: pathlib.Path, clock: FakeClock, ids: SequentialIds) -> Iterator[Replica]:
    opened = Replica.open(tmp_path / "anna.replica", clock=clock, ids=ids, create=True)
    opened.adopt(IDENTITY)
    yield opened
    opened.close()


@pytest.fixture
def mailbox(replica: Replica, ids: SequentialIds) -> Sender:
    """What the replica is of, filled with the usual folders."""
    return Sender(replica, ids)


@pytest.fixture
def sight(replica: Replica) -> Sight:
    """What the person sees."""
    return Sight(replica)

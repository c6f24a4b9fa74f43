"""The gateway's network side, against real counterparts on the loopback address."""

from __future__ import annotations

import pytest

from tests.gateway.certificates import Authority
from tests.support.fakes import FakeClock

LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may reach beyond this machine."""
    for item in items:
        if item.path.parent.name == "gateway":
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom the tests trust."""
    return Authority("Rookery's tests")

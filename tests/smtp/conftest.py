"""Mail coming in, over real sockets on the loopback address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gateway.certificates import Authority

if TYPE_CHECKING:
    import ssl

LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may reach beyond this machine."""
    for item in items:
        if item.path.parent.name == "smtp":
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom the tests trust."""
    return Authority("Rookery's tests")


@pytest.fixture(scope="session")
def server_tls(authority: Authority) -> ssl.SSLContext:
    """The listener's side."""
    return authority.issue("mx.rookery.test").server_context()

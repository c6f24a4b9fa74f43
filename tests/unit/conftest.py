"""Unit tests stay on this machine: no sockets at all, and for those of the client none beyond the loopback address.

(pytest-socket watches Python's sockets. gRPC has its own; the client's tests give it addresses on 127.0.0.1 only.)
"""

from __future__ import annotations

import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent
WITH_A_SERVER = ("test_client_", "test_cli_")
"""Modules that talk to a server in the same process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder; the hook is handed all tests of the run."""
    for item in items:
        if FOLDER in item.path.parents:
            loopback = item.path.name.startswith(WITH_A_SERVER)
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]) if loopback else pytest.mark.disable_socket)

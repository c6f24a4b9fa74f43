"""The client's tests reach a server on this machine and nothing beyond it."""

from __future__ import annotations

import socket

import pytest
from pytest_socket import SocketConnectBlockedError

ELSEWHERE = "192.0.2.1"
"""An address that belongs to nobody (RFC 5737)."""


def test_a_connection_to_the_loopback_address_is_made() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=10) as connection,
    ):
        assert connection.getpeername() == listener.getsockname()


def test_a_connection_to_another_machine_is_refused() -> None:
    with pytest.warns(UserWarning, match=ELSEWHERE), pytest.raises(SocketConnectBlockedError):
        socket.create_connection((ELSEWHERE, 25), timeout=10)

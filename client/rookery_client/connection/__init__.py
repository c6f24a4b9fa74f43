"""The way to a server: channel, sign-in, retries, errors."""

from __future__ import annotations

from rookery_client.connection.channel import open_channel
from rookery_client.connection.connection import Connection
from rookery_client.connection.credentials import Credentials, TokenLock
from rookery_client.connection.ending import Ending
from rookery_client.connection.retry import RetryPolicy
from rookery_client.connection.status import error_of_status

__all__ = ["Connection", "Credentials", "Ending", "RetryPolicy", "TokenLock", "error_of_status", "open_channel"]

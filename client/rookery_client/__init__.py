"""The Rookery client: talk to a Rookery server from Python.

    async with Client.connect("mail.example.org:6464") as client:
        await client.login("anna@example.org", "correct horse battery", "Anna's laptop")
        for folder in await client.folders.list():
            print(folder.name, folder.unread_count)

Everything that goes wrong is one of the exceptions in ``errors``.
"""

from __future__ import annotations

from rookery.v1.auth_service_pb2 import Tokens
from rookery_client.client import Client, Download, Imported
from rookery_client.connection import RetryPolicy
from rookery_core import errors

__all__ = ["Client", "Download", "Imported", "RetryPolicy", "Tokens", "errors"]

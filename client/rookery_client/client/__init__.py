"""The SDK's face: a client with its calls in groups."""

from __future__ import annotations

from rookery_client.client.client import Client
from rookery_client.client.downloads import Download
from rookery_client.client.imports import Imported

__all__ = ["Client", "Download", "Imported"]

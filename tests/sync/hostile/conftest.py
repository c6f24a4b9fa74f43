"""Hostile and broken devices, over gRPC, against a whole server in this process, on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.server import server
from tests.sync.rules.home import Home

if TYPE_CHECKING:
    from tests.support.server import Running
    from tests.sync.rules.home import Device

__all__ = ["server"]


@pytest.fixture
async def home(server: Running) -> Home:
    """With a folder, a message, and a conflict: something to be told of, and to be damaged."""
    home = Home(server, await server.add_person("anna"))
    item = await home.item(await home.folder("Trip"))
    first, second = await home.device("first"), await home.device("second")
    for device in (first, second):
        await device.do(device.rename(item.id, f"By {device.session_id.hex()}"))
    assert len(await home.conflicts()) == 1
    return home


@pytest.fixture
async def device(home: Home) -> Device:
    """Caught up."""
    device = await home.device("strange")
    await device.news()
    return device


@pytest.fixture
async def neighbour(server: Running) -> Home:
    """Somebody else, with a message."""
    neighbour = Home(server, await server.add_person("ben"))
    await neighbour.item(subject="Ben's own")
    return neighbour

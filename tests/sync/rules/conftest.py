"""Each rule is tried over gRPC, against a whole server in this process, on every engine."""

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
    return Home(server, await server.add_person("anna"))


@pytest.fixture
async def phone(home: Home) -> Device:
    """Caught up, and empty but for the folders."""
    device = await home.device("phone")
    await device.news()
    return device

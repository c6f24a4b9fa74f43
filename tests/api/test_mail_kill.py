"""SIGKILL while mail is being sent: accepted = delivered + bounced + queued, each once but for the window in which nobody can know.

A few kills here; fifty by ``make soak``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.mail_soak.soak import run

if TYPE_CHECKING:
    import pathlib

KILLS = 2


async def test_the_count_of_a_server_that_was_killed_is_even(tmp_path: pathlib.Path, database_url: str) -> None:
    found = await run(tmp_path, database_url if database_url.startswith("postgresql") else "", kills=KILLS, seed=1)
    assert found.kills == KILLS
    assert found.accepted == found.here + found.elsewhere + found.bounced + found.queued
    assert found.queued == 0
    assert found.here == found.letters and found.elsewhere == 3 * found.letters and found.bounced > 0

"""Pages of a search whose restriction has to be checked on contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_server.services.items import item_matching, item_packing
from tests.services.test_search import Searching

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person


@pytest.fixture
def world(database: Database) -> Searching:
    return Searching(database)


def body_has(text: str) -> Restriction:
    match = Restriction.Content(ref=PropertyRef(field="content.body.text"), match=Restriction.Content.MATCH_WORD, text=text)
    return Restriction(content=match)


@pytest.mark.parametrize("budget", [1, 20, 1 << 20])
async def test_a_search_that_has_looked_at_much_content_ends_its_page_early_and_goes_on(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(item_matching, "DECODED_BYTES", budget)
    for number in range(6):
        await world.message(anna, f"Report {number}", text="even" if number % 2 == 0 else "odd")
    assert await world.indexer.catch_up(anna.mailbox, more=lambda: True)
    await world.message(anna, "Report 6", text="even")  # not in the index
    found = await world.search(anna, "report", restriction=body_has("even"))
    assert found == ["Report 6", "Report 4", "Report 2", "Report 0"]
    assert await world.search(anna, "report", restriction=body_has("nothing")) == []
    first = await world.page_of(anna, "report", restriction=body_has("nothing"))
    assert bool(first.next_page_token) == (budget < 1000)


async def test_a_search_looks_at_no_more_contents_than_its_page_needs(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        await world.message(anna, f"Report {number}", text="same")
    assert await world.indexer.catch_up(anna.mailbox, more=lambda: True)
    decoded: list[bytes] = []

    def counted(stored: tuple[int, bytes] | None) -> bytes:
        decoded.append(decompress(stored))
        return decoded[-1]

    decompress = item_packing.decompress
    monkeypatch.setattr(item_packing, "decompress", counted)
    page = await world.page_of(anna, "report", restriction=body_has("same"), page_size=2)
    assert [item.summary.subject for item in page.items] == ["Report 5", "Report 4"]
    assert len(decoded) == 3  # the third says that there is another page
    assert page.next_page_token

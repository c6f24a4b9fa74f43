"""Lists of items for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import Item, ItemKind, ItemSummary
from rookery_client.cli.item_table import show_items

if TYPE_CHECKING:
    import pytest


def test_a_list_has_the_columns_of_the_kind_that_most_of_its_items_have(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [ItemKind.ITEM_KIND_DISTRIBUTION_LIST, ItemKind.ITEM_KIND_CONTACT, ItemKind.ITEM_KIND_CONTACT]
    show_items([Item(id=bytes(16), summary=ItemSummary(kind=kind, subject="Somebody")) for kind in kinds])
    assert "E-mail" in capsys.readouterr().out.splitlines()[0]
    show_items([])
    assert "Subject" in capsys.readouterr().out

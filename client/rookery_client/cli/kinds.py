"""Kinds of items and other words of the contract as people type them."""

from __future__ import annotations

from typing import Any

import click

from rookery.v1.item_pb2 import ItemKind

KIND_WORDS = {name.removeprefix("ITEM_KIND_").lower(): number for name, number in ItemKind.items() if number}
"""The word for each kind."""


class Words(click.Choice[str]):
    """One of some words, handed to the command as the number that it stands for."""

    def __init__(self, numbers: dict[str, Any]) -> None:
        super().__init__(list(numbers), case_sensitive=False)
        self._numbers = numbers

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a word; numbers pass."""
        return self._numbers[super().convert(value, param, ctx)] if isinstance(value, str) else value


KIND = Words(KIND_WORDS)


def kind_word(kind: ItemKind.ValueType) -> str:
    """The word for a kind; "" where it is not given."""
    return next((word for word, number in KIND_WORDS.items() if number == kind), "")

"""Groups of commands of which one is meant where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


class DefaultGroup(click.Group):
    """Without the name of a command the first word is an option of the default one: `rookery tasks --done`."""

    def __init__(self, *args: Any, default: str = "list", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    def parse_args(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """The words of the command line, the default command's name put in."""
        words = list(args)
        if not words or (words[0].startswith("-") and words[0] not in ctx.help_option_names):
            words.insert(0, self.default)
        return super().parse_args(ctx, words)

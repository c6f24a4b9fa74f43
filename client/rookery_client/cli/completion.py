"""`completion`: teaches a shell the commands, options and folder roles."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the shell's completion script; e.g. add `eval "$(rookery completion bash)"` to ~/.bashrc."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(context.find_root().command, {}, "rookery", "_ROOKERY_COMPLETE").source())


COMMANDS = (completion,)

"""rookeryd: the server's own command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from rookery_core.errors import InvalidArgument, RookeryError
from rookery_server.cli.accounts import account
from rookery_server.cli.aliases import alias
from rookery_server.cli.completion import completion
from rookery_server.cli.databases import database
from rookery_server.cli.demo import demo
from rookery_server.cli.dkim import dkim
from rookery_server.cli.domains import domain
from rookery_server.cli.gateway import gateway
from rookery_server.cli.queue import queue
from rookery_server.cli.serve import serve
from rookery_server.cli.stats import stats

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="rookery", prog_name="rookeryd")
def rookeryd() -> None:
    """Rookery's server: serves mailboxes over gRPC and administers them."""


for command in (serve, demo, account, alias, domain, dkim, queue, gateway, database, stats, completion):
    rookeryd.add_command(command)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 the operation failed, 2 wrong usage."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC would print of its own, the errors here say in one line
    try:
        status = rookeryd.main(argv, prog_name="rookeryd", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"rookeryd: {_one_line(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("rookeryd: stopped", err=True)
        sys.exit(1)
    except RookeryError as error:
        click.echo(f"rookeryd: {error.message}", err=True)
        sys.exit(2 if isinstance(error, InvalidArgument) else 1)
    sys.exit(status or 0)


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message.rstrip('.')}; see {error.ctx.command_path} --help"
    return message

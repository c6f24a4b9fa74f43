"""The command `rookery`: its group, and how a run ends."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import TYPE_CHECKING

import click

from rookery_client.cli import (
    auth,
    calendar,
    changes,
    completion,
    conflicts,
    editing,
    exporting,
    folders,
    importing,
    items,
    listing,
    outbox,
    reminders,
    searching,
    sending,
    showing,
    status,
    syncing,
    tasks,
)
from rookery_client.cli.profiles import Profiles
from rookery_client.cli.session import Session, config_folder
from rookery_client.cli.terminal import clean
from rookery_core.errors import RookeryError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, USAGE = 0, 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--profile", envvar="ROOKERY_PROFILE", default="default", show_default=True, help="Which sign-in to use.")
@click.option("--offline", is_flag=True, envvar="ROOKERY_OFFLINE", help="Work on what was synced; changes wait for the next sync.")
@click.option(
    "--replica",
    envvar="ROOKERY_REPLICA",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    metavar="FILE",
    help="What was synced, where it is not in the profile's usual place.",
)
@click.version_option(package_name="rookery", prog_name="rookery")
@click.pass_context
def rookery(context: click.Context, profile: str, offline: bool, replica: pathlib.Path | None) -> None:
    """Mail, calendars, tasks and contacts on a Rookery server.

    Folders are named by role (inbox), by path (Projects/2026) or by id.
    """
    context.obj = Session(profile, Profiles(config_folder()), offline, replica)


_NOUNS = (
    auth,
    folders,
    listing,
    showing,
    items,
    editing,
    importing,
    exporting,
    searching,
    sending,
    outbox,
    calendar,
    tasks,
    reminders,
    status,
    syncing,
    changes,
    conflicts,
    completion,
)
for _noun in _NOUNS:
    for _command in _noun.COMMANDS:
        rookery.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command. Exit status: 0 done, 1 the operation failed, 2 wrong usage; an error is one line on stderr."""
    try:
        result = rookery.main(args=None if argv is None else list(argv), prog_name="rookery", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "rookery"
        return _failed(f"{error.format_message()} See `{where} --help`.", USAGE)
    except click.ClickException as error:
        return _failed(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted")
    except RookeryError as error:
        return _failed(_advice(error))
    except BrokenPipeError:
        # The reader has seen enough. What Python still holds back for stdout must not fail again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _failed(": ".join(part for part in (str(error.filename or ""), error.strerror or str(error)) if part))
    return result if isinstance(result, int) else DONE


def _advice(error: RookeryError) -> str:
    ended = {"SESSION_REVOKED", "SESSION_EXPIRED", "TOKEN_INVALID"}
    if isinstance(error, Unauthenticated) and error.reason in ended:
        return f"{error.message}: sign in again with `rookery login ADDRESS --server HOST:PORT`"
    return error.message


def _failed(message: str, status: int = FAILED) -> int:
    click.echo(f"rookery: {clean(message)}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

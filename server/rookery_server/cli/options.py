"""Options that several commands share, made from the table of settings."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rookery_server import config
from rookery_server.config import SETTINGS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

WHERE = ("data", "database_url", "unix_socket")
"""The settings that say which server, or which store, a command is about."""


def with_settings(*names: str) -> Callable[[Command], Command]:
    """Gives a command the flags of these settings (all if none is named), and --config."""

    def add(command: Command) -> Command:
        for setting in reversed([setting for setting in SETTINGS if not names or setting.name in names]):
            shown = setting.default if setting.default not in {"", False, True} else None
            text = f"{setting.help} [{setting.variable}]" + (f" Default: {shown}." if shown is not None else "")
            kind: dict[str, Any] = {"is_flag": True, "default": None} if setting.is_switch else {"metavar": setting.metavar}
            command = click.option(setting.flag, setting.name, help=text, **kind)(command)
        config_help = "TOML file with settings. Default: DIR/rookery.toml if it is there."
        return click.option("--config", "config_file", type=click.Path(path_type=pathlib.Path), help=config_help)(command)

    return add


def settings_of(flags: dict[str, object], config_file: pathlib.Path | None) -> Settings:
    """The settings in force for a command. InvalidArgument for a value that is none."""
    return config.load(flags, os.environ, config_file)

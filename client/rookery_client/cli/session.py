"""What every command starts from: the profile, and a client for it."""

from __future__ import annotations

import asyncio
import functools
import os
import pathlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from rookery_client import Client, Tokens
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.replicas import opened
from rookery_client.cli.terminal import clean
from rookery_client.replica.offline.client import OfflineClient
from rookery_core.errors import Unauthenticated, Unavailable
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rookery_client.cli.profiles import Profile, Profiles

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a command: under which profile, where profiles are kept, and whether the replica stands in for the server."""

    name: str
    profiles: Profiles
    offline: bool = False
    replica_file: pathlib.Path | None = None
    """The replica's file, where it is not the profile's usual one."""

    @property
    def replica_path(self) -> pathlib.Path:
        """Where the profile's replica is, or would be."""
        return self.replica_file or config_folder() / "replicas" / f"{self.name}.replica"

    def run(self, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Does `work` with a signed-in client; offline, with the replica in the server's place.

        Unauthenticated if the profile is unknown or signed out; offline neither matters. FailedPrecondition ``REPLICA_MISSING``.
        """
        if self.offline:
            return self._run_offline(work)
        profile = self.profiles.get(self.name)
        if profile.tokens is None:
            raise Unauthenticated("TOKEN_MISSING", f"nobody is signed in: {self.hint(profile)}")
        try:
            return self.run_as(profile, work)
        except Unavailable as error:
            if not self.replica_path.exists():
                raise
            message = f"{error.message}. `rookery --offline …` works on what was synced"
            raise Unavailable(error.reason, message, metadata=error.metadata) from error

    def run_as(self, profile: Profile, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Does `work` with a client for `profile`; tokens that are renewed meanwhile are kept. Unavailable when offline."""
        if self.offline:
            raise Unavailable("SERVER_UNREACHABLE", f"this needs {profile.server}: leave out --offline")

        def keep(tokens: Tokens | None) -> None:
            self.profiles.save_tokens(self.name, profile.address, tokens)

        async def whole() -> Result:
            client = Client.connect(
                profile.server,
                ca_file=profile.ca_file,
                insecure=profile.insecure,
                tokens=profile.tokens,
                on_tokens=keep,
                token_lock=lambda: self.profiles.renewing(self.name, profile.address),
            )
            async with client:
                return await work(client)

        return asyncio.run(whole())

    def _run_offline(self, work: Callable[[Client], Awaitable[Result]]) -> Result:
        """Does `work` with the replica; tells on stderr what a person should know beside the answer. No connection is opened."""
        clock = SystemClock()
        with opened(self) as replica:
            client = OfflineClient(replica, clock=clock, ids=RandomIds(clock), time_zone=local_zone())

            async def whole() -> Result:
                return await work(client)

            try:
                return asyncio.run(whole())
            finally:
                for note in client.notes:
                    click.echo(clean(note), err=True)

    def hint(self, profile: Profile) -> str:
        """How to sign in again."""
        named = "" if self.name == "default" else f" --profile {self.name}"
        return f"sign in with `rookery{named} login {profile.address} --server {profile.server}`"


def pass_session(command: Callable[Concatenate[Session, Arguments], Result]) -> Callable[Arguments, Result]:
    """Hands the session to a command. UsageError if a word of the command line is no text; the names of files need not be."""

    @functools.wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        context = click.get_current_context()
        _require_text(context.find_root(), context)
        return command(context.ensure_object(Session), *args, **kwargs)

    return run


def _require_text(*contexts: click.Context) -> None:
    """Bytes of the command line that are no UTF-8 come as surrogates, which no message of the contract takes."""
    for context in contexts:
        for value in context.params.values():
            for word in value if isinstance(value, tuple) else (value,):
                if isinstance(word, str) and _SURROGATE.search(word):
                    raise click.UsageError(f"“{clean(word)}” is not UTF-8.", context)


def config_folder() -> pathlib.Path:
    """Where profiles are kept: $ROOKERY_CONFIG_DIR, else rookery/ in $XDG_CONFIG_HOME or ~/.config."""
    named = os.environ.get("ROOKERY_CONFIG_DIR")
    if named:
        return pathlib.Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (pathlib.Path(base) if base else pathlib.Path.home() / ".config") / "rookery"

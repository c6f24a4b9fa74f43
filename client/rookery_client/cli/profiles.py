"""Profiles: which server, who, and the tokens, in one file that only its owner may read.

Several commands may run at once: every change is made under a lock file, to the file as it is then, and replaces it whole.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pathlib
import tempfile
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

from rookery_client import Tokens
from rookery_core.errors import FailedPrecondition, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach a server, and as whom. `tokens` is None after signing out."""

    server: str
    address: str
    ca_file: str | None = None
    insecure: bool = False
    tokens: Tokens | None = None


class Profiles:
    """The profiles of one person on this machine, in `folder`/profiles.json with mode 0600."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._path = folder / "profiles.json"
        self._locked = False

    def get(self, name: str) -> Profile:
        """The profile; Unauthenticated ``TOKEN_MISSING`` if there is none of this name."""
        profile = self._read().get(name)
        if profile is None:
            message = f"there is no profile “{name}”: sign in with `rookery login ADDRESS --server HOST:PORT`"
            raise Unauthenticated("TOKEN_MISSING", message)
        return profile

    def find(self, name: str) -> Profile | None:
        """The profile, or None."""
        return self._read().get(name)

    def put(self, name: str, profile: Profile) -> None:
        """Keeps a profile, in place of one that had the name."""
        with self._lock():
            profiles = self._read()
            profiles[name] = profile
            self._write(profiles)

    def save_tokens(self, name: str, address: str, tokens: Tokens | None) -> None:
        """Keeps new tokens, unless the profile went to somebody else meanwhile."""
        with self._lock():
            profiles = self._read()
            if name in profiles and profiles[name].address == address:
                profiles[name] = replace(profiles[name], tokens=tokens)
                self._write(profiles)

    @asynccontextmanager
    async def renewing(self, name: str, address: str) -> AsyncIterator[Tokens | None]:
        """Holds the lock while tokens are renewed; gives them as they are kept now, where they are still of `address`."""
        self._make_folder()
        with (self._folder / "profiles.lock").open("a") as handle:
            await _lock_patiently(handle.fileno())
            self._locked = True
            try:
                profile = self._read().get(name)
                yield profile.tokens if profile is not None and profile.address == address else None
            finally:
                self._locked = False

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if self._locked:
            yield
            return
        self._make_folder()
        with (self._folder / "profiles.lock").open("a") as handle:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
            yield

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _read(self) -> dict[str, Profile]:
        try:
            document = json.loads(self._path.read_text("utf-8"))
            return {name: _profile_of(fields) for name, fields in document["profiles"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, json_format.ParseError) as error:
            message = f"{self._path} is damaged: remove it and sign in again"
            raise FailedPrecondition("FIELD_INVALID", message) from error

    def _write(self, profiles: dict[str, Profile]) -> None:
        document = {"profiles": {name: _fields_of(profile) for name, profile in sorted(profiles.items())}}
        # mkstemp makes the file with mode 0600, so that the tokens are never readable to others, not even for a moment.
        descriptor, name = tempfile.mkstemp(prefix=".profiles-", dir=self._folder)
        temporary = pathlib.Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


async def _lock_patiently(descriptor: int) -> None:
    """Takes the lock without keeping the event loop from its other work."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return


def _profile_of(fields: dict[str, Any]) -> Profile:
    tokens = fields.get("tokens")
    return Profile(
        server=fields["server"],
        address=fields["address"],
        ca_file=fields.get("ca_file"),
        insecure=bool(fields.get("insecure")),
        tokens=json_format.ParseDict(tokens, Tokens()) if tokens else None,
    )


def _fields_of(profile: Profile) -> dict[str, Any]:
    tokens = profile.tokens
    return {
        "server": profile.server,
        "address": profile.address,
        "ca_file": profile.ca_file,
        "insecure": profile.insecure,
        "tokens": json_format.MessageToDict(tokens, preserving_proto_field_name=True) if tokens is not None else None,
    }

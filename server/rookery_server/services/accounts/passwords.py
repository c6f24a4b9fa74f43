"""Passwords: argon2id (RFC 9106), computed in threads of their own so that a flood of sign-ins starves nothing else."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from rookery_core.errors import InvalidArgument, ResourceExhausted

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

SHORTEST = 10
LONGEST = 1024
"""Bytes of a password."""

_MOST_WAITING = 64

T = TypeVar("T")
Request = TypeVar("Request", bound="Message")


def require_fit(password: str, field: str) -> None:
    """InvalidArgument ``PASSWORD_WEAK`` unless the password has 10 to 1,024 bytes."""
    if not SHORTEST <= len(_bytes(password)) <= LONGEST:
        raise InvalidArgument("PASSWORD_WEAK", f"a password has {SHORTEST} to {LONGEST:,} bytes", field=field)


def without_passwords(request: Request) -> Request:
    """The request as the ledger compares it with a repeat: not even the hash of a password may lie there."""
    kept = type(request)()
    kept.CopyFrom(request)
    for field in ("password", "old_password", "new_password"):
        if field in request.DESCRIPTOR.fields_by_name:
            kept.ClearField(field)
    return kept


class Passwords:
    """Hashes and checks passwords. ``threads`` bounds how many at once; each takes 64 MiB for some 50 ms.

    Passwords are compared in Unicode form NFC (RFC 8265 section 4.2.2), so that it does not matter which keyboard typed them.
    """

    def __init__(self, *, threads: int = 2, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobodys = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep, with its parameters and a salt of its own."""
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the password is the one. With nothing kept it takes the same time and is not."""
        if len(_bytes(password)) > LONGEST:
            return False
        return await self._run(lambda: self._matches(password, kept or self._nobodys)) and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with other parameters than those used now."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Ends the threads, once they have finished what they are at."""
        self._threads.shutdown(cancel_futures=True)

    def _matches(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise ResourceExhausted(
                "LOGIN_THROTTLED", "too many people are signing in at this moment: try again", metadata={"retry_seconds": "2"}
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode()

"""Mail to a group, brought to its members: the one place for what is sent here and for what comes in.

A group has a mailbox of its own, which gets the mail as any other does. Its members get it besides, in a transaction each, and
once: that somebody has a message already is found out where it is delivered. Whoever writes to a group writes to a list, and hears
of the group alone, not of a member whose mailbox is full. What passes is another matter: it is tried again, for those who lack it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog

from rookery_core.errors import FailedPrecondition, NotFound, RookeryError
from rookery_server.store import groups

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from rookery_server.store.database import Database
    from rookery_server.store.groups import Member

_log = structlog.get_logger(__name__)


class Reached(NamedTuple):
    """What came of a group's members."""

    have_it: int
    """So many of them have the message."""
    passing: RookeryError | None
    """Why one of them lacks it for now."""


class GroupMail:
    """Brings mail to the members of groups. Belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.missed = 0
        """How often a member's mailbox did not take what came for the group, since the start."""

    async def bring(
        self,
        group_ids: Iterable[bytes],
        outcomes: dict[bytes, RookeryError | None],
        deliver: Callable[[Sequence[Member]], Awaitable[Sequence[RookeryError | None]]],
    ) -> dict[bytes, Reached]:
        """Has ``deliver`` bring a message to the members of groups (by account), one group after the other.

        ``outcomes``, by mailbox, is what came of those who were to get it under their own names: they are not tried again, nor is
        who belongs to several groups. What comes of the others is added to it. ``deliver`` answers for each, None for who has it;
        what it raises ends all.
        """
        reached: dict[bytes, Reached] = {}
        for group_id in dict.fromkeys(group_ids):
            members = await self._members(group_id)
            others = [member for member in members if member.mailbox_uid not in outcomes]
            brought = await deliver(others) if others else ()
            outcomes.update((member.mailbox_uid, error) for member, error in zip(others, brought, strict=True))
            self._note(group_id, [error for error in brought if error is not None and _is_final(error)])
            errors = [outcomes[member.mailbox_uid] for member in members]
            passing = next((error for error in errors if error is not None and not _is_final(error)), None)
            reached[group_id] = Reached(errors.count(None), passing)
        return reached

    async def _members(self, group_id: bytes) -> Sequence[Member]:
        return await self._database.read(lambda connection: groups.members(connection, group_id))

    def _note(self, group_id: bytes, errors: Sequence[RookeryError]) -> None:
        if errors:
            self.missed += len(errors)
            reasons = sorted({error.reason for error in errors})
            _log.warning("members of a group were not reached", group=group_id.hex(), members=len(errors), reasons=reasons)


def _is_final(error: RookeryError) -> bool:
    """Whether that is the member's own trouble, and not the server's, which passes."""
    return error.reason == "QUOTA_EXCEEDED" or isinstance(error, NotFound | FailedPrecondition)

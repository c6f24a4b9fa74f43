"""The ways that a message can be carried: into a mailbox here, or into a local folder instead of to another server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import DELIVERY_STATE_RELAYED
from rookery_core.rules.ids import text_of
from rookery_server.gateway.destinations import Feedback
from rookery_server.services.submission.settling import Result

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from rookery_server.gateway.leaving import LeavingMail
    from rookery_server.services.submission.local_delivery import LocalDelivery
    from rookery_server.store.outgoing import Claimed

_CAPTURED = "kept in this server's folder for captured mail: it sends nothing to other servers"


class HereCarrier:
    """Into mailboxes on this server."""

    def __init__(self, delivery: LocalDelivery) -> None:
        self._delivery = delivery

    def destination(self, domain: str) -> str:
        """The mailboxes here."""
        return domain

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """See ``attempts.Carrier``."""
        return await self._delivery.carry(claimed), Feedback.ALIVE

    async def close(self) -> None:
        """Nothing is kept open."""


class CaptureCarrier:
    """Into files of a folder, one for each domain that a message goes to: SUBMISSION.N.eml, with the first recipient's position.

    The envelope stands in front of the message as two fields: X-Rookery-Sender and X-Rookery-Recipients. A file is whole and on
    disk before it has its name; a message that is carried twice is one file.
    """

    def __init__(self, mail: LeavingMail, folder: pathlib.Path) -> None:
        self._mail = mail
        self._folder = folder

    def destination(self, domain: str) -> str:
        """The folder, whatever the domain."""
        del domain
        return "captured"

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """See ``attempts.Carrier``."""
        submission = claimed.submission
        name = f"{text_of(submission.id)}.{claimed.recipients[0].position}.eml"
        message = await self._mail.open(claimed)
        async with contextlib.aclosing(message.open()) as chunks:
            data = [_envelope(claimed), *[chunk async for chunk in chunks]]
        await asyncio.to_thread(self._write, name, data)
        return [Result(DELIVERY_STATE_RELAYED, "2.0.0", _CAPTURED)] * len(claimed.recipients), Feedback.ALIVE

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, name: str, data: list[bytes]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._folder / f"{name}.unfinished"
        with unfinished.open("wb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self._folder / name)


def _envelope(claimed: Claimed) -> bytes:
    recipients = ",\r\n ".join(row.address for row in claimed.recipients)
    return f"X-Rookery-Sender: {claimed.submission.sender}\r\nX-Rookery-Recipients: {recipients}\r\n".encode()

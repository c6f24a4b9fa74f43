"""Submitting: into the queue, and what can leave at once straight to this process's worker.

A recipient for whose destination there is a place is queued as taken on already. Nobody has to look for it, and the worker gets it
with its message, which need not be read back. Whatever happens in between, it is as with all that somebody has taken on: the lease
ends, and it comes up again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from rookery.v1 import submission_service_pb2 as messages
from rookery_server.services.submission.submission_changes import domain_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.submission.submission_changes import Enqueued, Plan, Reserved
    from rookery_server.store.outgoing import Claimed

    Put = Callable[[MailboxChange, Plan], Enqueued]


class Queue(Protocol):
    """Where mail waits for those who carry it, as far as submitting has to do with it. Belongs to one event loop."""

    def wake(self) -> None:
        """Something new is there, which is committed."""
        ...

    def reserve(self, recipients: Mapping[str, int]) -> Reserved:
        """Keeps a place for each of these domains that can be served at once, until ``begin`` or ``release``.

        Each domain is given with how many recipients go there.
        """
        ...

    def begin(self, reserved: Reserved, taken: Sequence[Claimed]) -> None:
        """Has those carried for whom the places were kept: they are committed as taken on, together for each domain."""
        ...

    def release(self, reserved: Reserved) -> None:
        """Gives the places up: nothing came of it."""
        ...


class Queueing:
    """Carries out operations that submit a message."""

    def __init__(self, operations: Operations, queue: Queue) -> None:
        self._operations = operations
        self._queue = queue
        self._running: set[asyncio.Task[bytes]] = set()

    async def submit(
        self, caller: Caller, mailbox_uid: bytes, request: messages.SubmitRequest, name: str, plan: Plan, put: Put
    ) -> bytes:
        """Runs ``put`` as the operation that the request is, called ``name``; the encoded SubmitResponse.

        Whoever hangs up meanwhile may have submitted: then it is carried all the same.
        """
        task = asyncio.create_task(self._submit(caller, mailbox_uid, request, name, plan, put), name="submit")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _submit(
        self, caller: Caller, mailbox_uid: bytes, request: messages.SubmitRequest, name: str, plan: Plan, put: Put
    ) -> bytes:
        recipients = Counter(domain_of(plan, addressee) for addressee in plan.ready.addressees) if plan.hold_until is None else {}
        reserved = self._queue.reserve(recipients)
        plan = replace(plan, reserved=reserved)
        taken: list[Claimed] = []
        has_begun = False

        def work(change: MailboxChange) -> messages.SubmitResponse:
            nonlocal taken
            record, taken = put(change, plan)
            return messages.SubmitResponse(submission=record, revision=change.current_revision)

        def begin() -> None:
            nonlocal has_begun
            has_begun = True
            self._queue.begin(reserved, taken)

        try:
            return await self._operations.on_mailbox(
                caller, mailbox_uid, request.operation_id, name, request, work, committed=begin
            )
        finally:
            if not has_begun:
                self._queue.release(reserved)
            if not has_begun or len(reserved.domains) < len(recipients):
                self._queue.wake()

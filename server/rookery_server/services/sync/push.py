"""Push: what was changed on a device comes in, and is answered in order as it becomes durable."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from rookery.v1 import sync_service_pb2
from rookery.v1.sync_pb2 import PushResult
from rookery_core.errors import InvalidArgument, RookeryError, Unavailable
from rookery_server.services.submission.drafts import until_unchanged
from rookery_server.services.sync import push_actions, push_batch, push_folders, push_submissions
from rookery_server.services.sync.push_batch import Answer, Member, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery.v1.sync_service_pb2 import PushBatchRequest, PushBatchResponse, PushRequest, PushResponse
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.long_operations import LongOperations
    from rookery_server.services.submission.drafts import Drafts
    from rookery_server.store.database import Database

MOST_OPERATIONS = 500
MOST_BYTES = 4 << 20
"""What one request holds at most."""

BATCH_OPERATIONS = 100
BATCH_ITEMS = 500
"""What one transaction does at most; but a single operation is never divided."""

RESPONSE_BYTES = 1 << 20
ANSWER_BYTES = 8 << 20
"""Behind that many bytes of answers the unary call leaves what is still to be done to the next: clients receive 32 MiB."""
ALONE = frozenset({"submit", "send_meeting", "cancel_meeting"})
"""Actions with a transaction of their own: what is submitted is planned by what is committed before it; all write many rows."""
_READ_AHEAD = 2
"""Requests of a stream that wait while others are carried out; beyond them the device has to wait."""


class PushService:
    """Carries out Push and PushBatch. Belongs to one event loop.

    ``wake`` is called after each commit that may give the queue of outgoing mail something to do.
    """

    def __init__(
        self,
        database: Database,
        long_operations: LongOperations,
        clock: Clock,
        ids: Ids,
        drafts: Drafts,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._long_operations = long_operations
        self._drafts = drafts
        self._wake = wake
        self._clock = clock
        self._ids = ids
        for operation in push_folders.LONG.values():
            long_operations.register(operation)

    async def push_batch(self, caller: Caller, request: PushBatchRequest) -> PushBatchResponse:
        """Carries out the operations of one request.

        What passes (a full mailbox, a busy database) ends the call behind the answers so far, and so does more than a response
        holds: they come alone, and the operations without an answer are to be sent again. What passes is raised if there are none.
        """
        _require_fitting(request.push)
        target = Target(request.push.mailbox_id, request.push.epoch)
        waiting = deque(request.push.operations)
        whole, room = Answer(), ANSWER_BYTES
        while waiting or not whole.revision:
            answer = await self._carry_out(caller, target, _portion(waiting))
            whole.results += answer.results
            whole.revision = answer.revision or whole.revision
            room -= sum(result.ByteSize() for result in answer.results)
            if room <= 0 or (answer.failure is not None and whole.results):
                break
            answer.require_unbroken()
        response = sync_service_pb2.PushResponse(results=whole.results, revision=whole.revision)
        return sync_service_pb2.PushBatchResponse(answer=response)

    async def push(self, caller: Caller, requests: AsyncIterator[PushRequest]) -> AsyncIterator[PushResponse]:
        """Carries out what comes, in order, and answers it as it becomes durable: what has arrived meanwhile, together.

        What passes ends the stream behind the answers so far. So does a request that is wrong itself.
        """
        arrived: asyncio.Queue[PushRequest | Exception | None] = asyncio.Queue(_READ_AHEAD)
        reader = asyncio.ensure_future(_read(requests, arrived))
        intake = _Intake(arrived)
        try:
            while await intake.refill():
                answer = await self._carry_out(caller, intake.target, _portion(intake.waiting))
                for results in _split(answer.results):
                    yield sync_service_pb2.PushResponse(results=results, revision=answer.revision)
                answer.require_unbroken()
        finally:
            reader.cancel()

    async def _carry_out(self, caller: Caller, target: Target, operations: Sequence[SyncOperation]) -> Answer:
        """Carries out one transaction's share; a long operation among it to its end."""

        async def attempt() -> Answer:
            now = self._clock.micros()
            members = [await push_actions.plan(operation, actions, self._ids, now) for operation in operations]
            return await self._commit(caller, target, members)

        submit: push_actions.Planner = partial(push_submissions.submit, self._drafts, caller, target.mailbox_uid)
        actions = {**push_actions.ACTIONS, "submit": submit}
        try:
            answer = await until_unchanged(attempt)
        except Unavailable as error:
            return Answer(failure=error)
        if answer.has_posted or any(each.WhichOneof("action") in push_submissions.ACTIONS for each in operations):
            self._wake()
        if answer.unfinished is not None:
            ended = await self._go_on(caller, target, answer.unfinished)
            answer.results += ended.results
            answer.revision = ended.revision or answer.revision
            answer.failure = ended.failure
        return answer

    async def _go_on(self, caller: Caller, target: Target, member: Member) -> Answer:
        """Carries out a long operation, under the id and the hash of the one that was pushed."""
        action = push_folders.LONG[str(member.operation.WhichOneof("action"))]
        try:
            encoded = await self._long_operations.carry_out(caller, action, member.operation)
        except RookeryError as error:
            if not error.definitive:
                return Answer(failure=error)
            member.work, member.refusal = None, error
            return await self._commit(caller, target, [member])
        result = PushResult.FromString(encoded)
        return Answer([result], result.revision)

    async def _commit(self, caller: Caller, target: Target, members: Sequence[Member]) -> Answer:
        """One transaction. What passes, of the database itself too, is its answer's failure: others were answered before it."""
        now = self._clock.micros()
        try:
            return await self._database.write(lambda transaction: push_batch.commit(transaction, caller, target, members, now))
        except RookeryError as error:
            if error.definitive:
                raise
            return Answer(failure=error)


class _Intake:
    """What of a stream has arrived and waits to be carried out."""

    def __init__(self, arrived: asyncio.Queue[PushRequest | Exception | None]) -> None:
        self.waiting: deque[SyncOperation] = deque()
        self._arrived = arrived
        self._target: Target | None = None
        self._ended = False
        self._failure: Exception | None = None

    @property
    def target(self) -> Target:
        """What the stream is for."""
        return self._target or Target(b"", b"")

    async def refill(self) -> bool:
        """Waits until something waits, and takes what else has come; False at the end, which raises what the stream ended with."""
        while not self._ended and (not self.waiting or (len(self.waiting) < BATCH_OPERATIONS and not self._arrived.empty())):
            self._take(await self._arrived.get())
        if not self.waiting and self._failure is not None:
            raise self._failure
        return bool(self.waiting)

    def _take(self, arrival: PushRequest | Exception | None) -> None:
        if arrival is None or isinstance(arrival, Exception):
            self._ended, self._failure = True, arrival
            return
        try:
            _require_fitting(arrival)
            self._require_same_target(arrival)
        except InvalidArgument as error:
            self._ended, self._failure = True, error
            return
        self.waiting.extend(arrival.operations)

    def _require_same_target(self, request: PushRequest) -> None:
        target = Target(request.mailbox_id, request.epoch)
        if self._target is not None and target != self._target:
            raise InvalidArgument("FIELD_INVALID", "all requests of a stream are for one mailbox and one epoch", field="mailbox_id")
        self._target = target


async def _read(requests: AsyncIterator[PushRequest], arrived: asyncio.Queue[PushRequest | Exception | None]) -> None:
    """Reads ahead, a little. What ends the stream comes last."""
    ending: Exception | None = None
    try:
        async for request in requests:
            await arrived.put(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the answers are given, behind them
        ending = error
    await arrived.put(ending)


def _require_fitting(request: PushRequest) -> None:
    """InvalidArgument ``LIMIT_EXCEEDED`` for more than a request holds."""
    if len(request.operations) > MOST_OPERATIONS:
        message = f"{len(request.operations):,} operations in one request, at most {MOST_OPERATIONS} are allowed"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="operations")
    if request.ByteSize() > MOST_BYTES:
        message = f"the request has {request.ByteSize():,} bytes, at most {MOST_BYTES:,} are allowed"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="operations")


def _portion(waiting: deque[SyncOperation]) -> list[SyncOperation]:
    """Takes one transaction's share: at least one operation, nothing behind a long one, nothing beside one that stands alone."""
    taken: list[SyncOperation] = []
    items = 0
    while waiting and len(taken) < BATCH_OPERATIONS:
        action = waiting[0].WhichOneof("action")
        items += push_actions.weight(waiting[0])
        if taken and (items > BATCH_ITEMS or action in ALONE):
            break
        taken.append(waiting.popleft())
        if action in push_folders.LONG or action in ALONE:
            break
    return taken


def _split(results: Sequence[PushResult]) -> list[list[PushResult]]:
    """The results in responses of about 1 MiB."""
    responses: list[list[PushResult]] = []
    size = RESPONSE_BYTES
    for result in results:
        length = result.ByteSize()
        if size + length > RESPONSE_BYTES:
            responses.append([])
            size = 0
        responses[-1].append(result)
        size += length
    return responses

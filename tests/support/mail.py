"""A world in which people send mail: short ways to write drafts, submit them, and look at what became of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.person_pb2 import Person as Named
from rookery_server.gateway import retry_schedule
from rookery_server.gateway.carriers import HereCarrier
from rookery_server.gateway.destinations import Destinations, Feedback
from rookery_server.gateway.dkim import DkimSigner
from rookery_server.gateway.figures import Figures
from rookery_server.gateway.leaving import LeavingMail
from rookery_server.gateway.worker import QueueWorker
from rookery_server.services.accounts.group_mail import GroupMail
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.signing.key_ring import KeyRing
from rookery_server.services.submission.drafts import Drafts
from rookery_server.services.submission.local_delivery import LocalDelivery
from rookery_server.services.submission.reports import Reports
from rookery_server.services.submission.submission_changes import Reserved
from rookery_server.services.submission.submissions import SubmissionService
from rookery_server.store import blobs, outgoing, submissions
from rookery_server.store.blob_chunks import decode
from rookery_server.store.tables import outgoing_recipient
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery.v1.submission_pb2 import Submission
    from rookery_server.gateway.attempts import Carrier
    from rookery_server.services.submission.settling import Result
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from tests.support.fakes import FakeClock, SequentialIds
    from tests.support.world import Person

INBOX, DRAFTS, OUTBOX, SENT = (
    folder_pb2.FOLDER_ROLE_INBOX,
    folder_pb2.FOLDER_ROLE_DRAFTS,
    folder_pb2.FOLDER_ROLE_OUTBOX,
    folder_pb2.FOLDER_ROLE_SENT,
)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until it is so; fails after a minute."""
    async with asyncio.timeout(60):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


Answer = Callable[["Claimed"], "list[Result]"]


class Outside:
    """Other people's mail servers: each message that is carried to them is kept, and answered as the test says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.carried: list[tuple[str, list[str]]] = []
        """Domain and addresses of each attempt."""
        self.feedback = Feedback.ALIVE
        self.closed = False

    def destination(self, domain: str) -> str:
        return domain

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        self.carried.append((claimed.recipients[0].domain, [row.address for row in claimed.recipients]))
        await asyncio.sleep(0)
        return self.answer(claimed), self.feedback

    async def close(self) -> None:
        self.closed = True


class MailWorld(World):
    """The services that mail is sent with, over one database."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock | None = None,
        ids: SequentialIds | None = None,
        *,
        max_message_bytes: int = 1 << 20,
    ) -> None:
        super().__init__(database, clock, ids)
        self.woken = 0
        self.drafts = Drafts(database, self.clock, self.ids, max_message_bytes=max_message_bytes)
        self.submissions = SubmissionService(
            database,
            self.operations,
            PageTokens(b"k" * 32),
            self.clock,
            self.drafts,
            self,
        )
        self.keys = KeyRing(database, self.clock)
        self.leaving = LeavingMail(database, DkimSigner(self.keys, self.clock))
        self.group_mail = GroupMail(database)
        self.here: Carrier = HereCarrier(LocalDelivery(database, self.clock, self.group_mail, wake=self.wake))
        self.destinations = Destinations(self.clock)
        self.figures = Figures()
        lifetime = retry_schedule.LIFETIME
        self.reports = Reports(database, self.clock, self.ids, own_name="mail.rookery.example", lifetime=lifetime)
        self.queue: QueueWorker | None = None

    def wake(self) -> None:
        """There may be something for the queue to do."""
        self.woken += 1
        if self.queue is not None:
            self.queue.wake()

    def reserve(self, recipients: Mapping[str, int]) -> Reserved:
        """See ``queueing.Queue``."""
        return self.queue.reserve(recipients) if self.queue is not None else Reserved()

    def begin(self, reserved: Reserved, taken: Sequence[Claimed]) -> None:
        """See ``queueing.Queue``."""
        if self.queue is not None:
            self.queue.begin(reserved, taken)

    def release(self, reserved: Reserved) -> None:
        """See ``queueing.Queue``."""
        if self.queue is not None:
            self.queue.release(reserved)

    def retry_now(self, domains: Collection[str]) -> None:
        """These domains are to be tried at once."""
        if self.queue is not None:
            self.queue.retry(domains)

    def worker(self, outside: Carrier | None = None, **options: Any) -> QueueWorker:
        """A worker for the queue, not started."""
        options = {"owner": self.ids.new(), "alone": self.database.dialect == "sqlite", **options}
        elsewhere = outside or self.here
        parts = (self.database, self.clock, self.destinations, self.here, elsewhere, self.reports)
        return QueueWorker(*parts, lambda: 0.5, figures=self.figures, **options)

    @contextlib.asynccontextmanager
    async def working(self, outside: Carrier | None = None, *, grace: float = 0, **options: Any) -> AsyncIterator[QueueWorker]:
        """The worker works meanwhile; at the end, what it has begun gets so many seconds."""
        self.queue = self.worker(outside, **options)
        self.queue.start()
        try:
            yield self.queue
        finally:
            await self.queue.stop(grace)
            self.queue = None

    async def work(self, outside: Carrier | None = None, **options: Any) -> None:
        """The worker does all that is due."""
        async with self.working(outside, grace=60, **options):
            await self.idle()

    async def queue_looks(self, outside: Carrier) -> None:
        """The worker looks into the queue and may take something on."""
        async with self.working(outside):
            await asyncio.sleep(0.2)

    async def idle(self) -> None:
        """Waits until nothing is due and nobody has anything; fails after a minute."""
        table, now = outgoing_recipient, self.clock.micros()

        def busy(connection: Connection) -> int:
            waiting = (table.c.next_attempt <= now) | table.c.lease_owner.is_not(None)
            return int(connection.execute(select(func.count()).where(waiting)).scalar_one())

        async def is_idle() -> bool:
            return not await self.database.read(busy)

        await until(is_idle)

    async def draft(self, person: Person, *to: str, cc: tuple[str, ...] = (), bcc: tuple[str, ...] = (), **more: Any) -> bytes:
        """A new draft to these addresses; gives its id. ``more``: subject, text, author, folder, attachments."""
        record = item_pb2.Item(folder_id=more.get("folder", b""))
        record.summary.kind = item_pb2.ITEM_KIND_MESSAGE
        record.summary.subject = more.get("subject", "A letter")
        record.summary.message.draft = more.get("is_draft", True)
        if author := more.get("author"):
            getattr(record.summary.message, "from").address = author
        record.content.body.text = more.get("text", "Hello.\n")
        record.content.attachments.extend(more.get("attachments", ()))
        kinds = ((item_pb2.RECIPIENT_TYPE_TO, to), (item_pb2.RECIPIENT_TYPE_CC, cc), (item_pb2.RECIPIENT_TYPE_BCC, bcc))
        for kind, addresses in kinds:
            for address in addresses:
                record.content.recipients.add(type=kind, person=Named(name=f"{address.partition('@')[0]} !", address=address))
        return (await self.create(person, record)).id

    async def submit(self, person: Person, item_id: bytes, **fields: Any) -> Submission:
        """Submits a draft."""
        fields.setdefault("operation_id", self.ids.new())
        answer = await self.submissions.submit(person.caller, messages.SubmitRequest(item_id=item_id, **fields))
        return messages.SubmitResponse.FromString(answer).submission

    async def send(self, person: Person, *to: str, **more: Any) -> Submission:
        """Writes a draft and submits it."""
        return await self.submit(person, await self.draft(person, *to, **more))

    async def call_back(self, person: Person, submission_id: bytes) -> Submission:
        """Calls a submission back."""
        request = messages.CancelSubmissionRequest(operation_id=self.ids.new(), submission_id=submission_id)
        answer = await self.submissions.cancel_submission(person.caller, request)
        return messages.CancelSubmissionResponse.FromString(answer).submission

    async def send_again(self, person: Person, submission_id: bytes) -> Submission:
        """Sends to the failed recipients again."""
        request = messages.ResendSubmissionRequest(operation_id=self.ids.new(), submission_id=submission_id)
        answer = await self.submissions.resend_submission(person.caller, request)
        return messages.ResendSubmissionResponse.FromString(answer).submission

    async def submission(self, person: Person, submission_id: bytes) -> Submission:
        """How a submission stands."""
        request = messages.GetSubmissionRequest(submission_id=submission_id)
        return (await self.submissions.get_submission(person.caller, request)).submission

    async def listed(self, person: Person, **fields: Any) -> messages.ListSubmissionsResponse:
        """A page of submissions."""
        return await self.submissions.list_submissions(person.caller, messages.ListSubmissionsRequest(**fields))

    async def within(self, person: Person, role: int) -> list[item_pb2.Item]:
        """What is in a role folder, whole, newest first."""
        return [await self.get(person, each.id) for each in await self.walk(person, await self.folder_of(person, role))]

    async def message(self, person: Person, submission_id: bytes) -> bytes:
        """The message of a submission, as it leaves."""

        def read(connection: Connection) -> bytes:
            row = submissions.find(connection, person.number, submission_id)
            assert row is not None and row.blob_id is not None
            return b"".join(map(decode, blobs.chunks(connection, row.blob_id, 0, 1000)))

        return await self.database.read(read)

    async def due(self) -> list[outgoing.Due]:
        """What the queue has to do."""
        return await self.database.read(outgoing.due)

"""One run: letters, kills, and the count."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2, queue_service_pb2
from rookery.v1.queue_service_pb2_grpc import QueueServiceStub
from tests.gateway.dns_stub import DnsStub
from tests.mail_soak import counting, people
from tests.mail_soak.people import DOMAINS
from tests.mail_soak.world_outside import WorldOutside
from tests.support import edged
from tests.support.mail import until
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.submission_pb2 import Submission
    from tests.mail_soak.counting import Count
    from tests.support.server import Person, Running

LETTERS_BETWEEN_KILLS = 25
_LEASE_SECONDS = 2.0
_TROUBLE = 0.08
_MOST_SECONDS = 1.5


async def run(folder: pathlib.Path, database_url: str, *, kills: int, seed: int) -> Count:
    """Kills a server so many times, at random, while letters are handed in; then has all of them finish, and counts.

    ``database_url`` is that of an empty PostgreSQL database, or "" for a file in the folder. AssertionError if the count is uneven.
    """
    dice = random.Random(seed)
    table = {(domain, "MX"): ["10 mx.outside.test."] for domain in DOMAINS} | {("mx.outside.test", "A"): ["127.0.0.1"]}
    async with DnsStub(table).running() as names, WorldOutside(dice, _TROUBLE).running() as outside:
        program = edged.program(dns_port=names.port, smtp_port=outside.port, lease_seconds=_LEASE_SECONDS)
        options = ["--database-url", database_url] if database_url else []
        process = ServerProcess(folder / "data", *options, program=program)
        await asyncio.to_thread(process.start)
        try:
            return await _story(process, outside, dice, kills)
        finally:
            process.kill()


async def _story(process: ServerProcess, outside: WorldOutside, dice: random.Random, kills: int) -> Count:
    killed: list[float] = []
    async with process.connected() as server:
        anna, ben = await server.add_person("anna"), await server.add_person("ben")
        letters = [people.letter(server.ids, number, dice) for number in range(LETTERS_BETWEEN_KILLS * kills)]
    for _ in range(kills):
        async with process.connected() as server:
            now = letters[:LETTERS_BETWEEN_KILLS]
            del letters[:LETTERS_BETWEEN_KILLS]
            handing_in = asyncio.create_task(people.hand_in(server, anna, now))
            await asyncio.sleep(dice.uniform(0.05, _MOST_SECONDS))
            await asyncio.to_thread(process.kill)
            killed.append(time.monotonic())
            await handing_in
            letters[:0] = now
        await asyncio.to_thread(process.start)
    async with process.connected() as server:
        await people.hand_in(server, anna, letters)
        assert letters == []
        outside.trouble = 0
        await until(lambda: _finished(server, anna))
        submissions = await people.submitted(server, anna)
        await _require_tidy(server, anna, submissions)
        in_bens = await people.within(server, ben, folder_pb2.FOLDER_ROLE_INBOX)
        arrived = Counter(item.summary.message.message_id for item in in_bens)
        return counting.count(submissions, arrived, outside.copies, killed, outside.left_in_doubt)


async def _finished(server: Running, person: Person) -> bool:
    """Nothing waits any more. What waits for its next attempt gets one now, as an administrator can have it."""
    waiting = await people.submitted(server, person, unfinished=True)
    queue: Any = QueueServiceStub(server.machine)
    for submission in waiting:
        request = queue_service_pb2.RetryQueuedRequest(
            operation_id=server.ids.new(), mailbox_id=person.account.mailbox_id, submission_id=submission.id
        )
        await queue.RetryQueued(request)
    await asyncio.sleep(0.2)
    return not waiting


async def _require_tidy(server: Running, person: Person, submissions: list[Submission]) -> None:
    """Each letter lies in Sent Items, once, and each that failed has brought one report."""
    sent = await people.within(server, person, folder_pb2.FOLDER_ROLE_SENT)
    assert sorted(item.id for item in sent) == sorted(submission.item_id for submission in submissions)
    for emptied in (folder_pb2.FOLDER_ROLE_DRAFTS, folder_pb2.FOLDER_ROLE_OUTBOX):
        assert await people.within(server, person, emptied) == []
    failed = [each for submission in submissions for each in submission.recipients if each.report_item_id]
    reports = await people.within(server, person, folder_pb2.FOLDER_ROLE_INBOX)
    assert sorted(item.id for item in reports) == sorted({each.report_item_id for each in failed})

"""Rookery's side: drafts that people submit through gRPC, or mail that their programs hand in by SMTP, until the sinks have it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2, item_service_pb2
from rookery.v1 import submission_service_pb2 as messages
from tests.bench.mailing.peer import GIVE_UP_SECONDS, POLL_SECONDS, Rate
from tests.bench.mailing.sinks import DESTINATIONS
from tests.bench.server import PASSWORD, Connection, Server, connected, free_port, serving
from tests.gateway.dns_stub import DnsStub
from tests.support import edged

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from tests.bench.mailing.sinks import Sinks

SENDERS = tuple(f"sender{number}@bench.example" for number in range(DESTINATIONS))
"""As many at a time as hand in mail to Postfix."""
_LINE = "It is not the mail that is late, it is you who are early.\n"


@dataclasses.dataclass(frozen=True)
class Office:
    """A server that runs, with people who are signed in."""

    server: Server
    people: list[Connection]
    sinks: Sinks
    submission_port: int
    """Where mail programs hand in mail."""


@contextlib.contextmanager
def serving_beside(
    folder: pathlib.Path, sinks: Sinks, dns_port: int, submission_port: int, database_url: str, prepare: Callable[[str], None]
) -> Iterator[Server]:
    """A server in a new folder, with the sinks for other servers. ``prepare`` is handed the database's URL before."""
    folder.mkdir()
    edges = edged.program(dns_port=dns_port, smtp_port=sinks.port)
    program = (*edges, "--submission", f"127.0.0.1:{submission_port}")
    with serving(folder, prepare, database_url=database_url, accounts=SENDERS, program=program) as server:
        yield server


@contextlib.asynccontextmanager
async def opened(
    folder: pathlib.Path,
    sinks: Sinks,
    dead: dict[str, str],
    database_url: str = "",
    prepare: Callable[[str], None] = lambda _url: None,
) -> AsyncIterator[Office]:
    """A server and its people; ``dead``: more destinations, and addresses where nobody listens."""
    table = {(domain, "MX"): [f"10 mx.{domain}."] for domain in (*sinks.hosts, *dead)}
    table |= {(f"mx.{domain}", "A"): [address] for domain, address in (sinks.hosts | dead).items()}
    async with DnsStub(table).running() as names, contextlib.AsyncExitStack() as stack:
        port = free_port()
        server = stack.enter_context(serving_beside(folder, sinks, names.port, port, database_url, prepare))
        people = [await stack.enter_async_context(connected(server, address)) for address in SENDERS]
        yield Office(server, people, sinks, port)


async def measure(office: Office, count: int, recipients: int, size_bytes: int) -> Rate:
    """So many drafts, each to a destination in turn, from the first submission until the sinks have them all."""
    domains = list(office.sinks.hosts)
    shares = [
        [domains[number % len(domains)] for number in range(place, count, len(office.people))]
        for place in range(len(office.people))
    ]
    writing = (_drafts(person, share, recipients, size_bytes) for person, share in zip(office.people, shares, strict=True))
    written = await asyncio.gather(*writing)

    async def submit() -> None:
        await asyncio.gather(*(_submit(person, drafts) for person, drafts in zip(office.people, written, strict=True)))

    return await _timed(office, count, submit)


async def measure_by_smtp(office: Office, count: int, recipients: int, size_bytes: int) -> Rate:
    """So many messages by SMTP, one connection for each destination, until the sinks have them all."""
    numbers = map(str, (office.submission_port, DESTINATIONS, count, recipients, size_bytes))
    command = [sys.executable, "-m", "tests.bench.mailing.smtp_client", *numbers, PASSWORD, ",".join(SENDERS), *office.sinks.hosts]
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        if client.stdout is None or await client.stdout.readline() != b"ready\n":
            raise RuntimeError("the mail programs did not come up")
        return await _timed(office, count, partial(_begin, client))
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()


async def _begin(client: asyncio.subprocess.Process) -> None:
    said, _ = await client.communicate(b"begin\n")
    if said != b"done\n":
        raise RuntimeError(f"mail was refused: {said.decode().strip()}")


async def _timed(office: Office, count: int, submit: Callable[[], Coroutine[Any, Any, None]]) -> Rate:
    """From the first submission until the sinks have so many more."""
    sinks = office.sinks
    await office.server.quiet()
    before, cpu, begun = sinks.taken(), office.server.cpu_seconds(), time.perf_counter()
    submitting = asyncio.create_task(submit())
    while sinks.taken() - before < count:
        if submitting.done():
            submitting.result()
        if time.perf_counter() - begun > GIVE_UP_SECONDS:
            raise RuntimeError(f"{sinks.taken() - before} of {count} messages have arrived")
        await asyncio.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - begun
    await submitting
    await office.server.quiet()
    return Rate(count / seconds, (office.server.cpu_seconds() - cpu) / count * 1000)


async def _drafts(person: Connection, domains: list[str], recipients: int, size_bytes: int) -> list[bytes]:
    text = _LINE * (size_bytes // len(_LINE))
    drafts: list[bytes] = []
    for number, domain in enumerate(domains):
        draft = item_pb2.Item(id=person.ids.new())
        draft.summary.kind = item_pb2.ITEM_KIND_MESSAGE
        draft.summary.subject, draft.summary.message.draft = f"Message {number}", True
        draft.content.body.text = text
        for place in range(recipients):
            draft.content.recipients.add().person.address = f"{place}ben@{domain}"
        creation = item_service_pb2.CreateItemRequest(operation_id=person.ids.new(), item=draft)
        await person.items.CreateItem(creation, metadata=person.metadata)
        drafts.append(draft.id)
    return drafts


async def _submit(person: Connection, drafts: list[bytes]) -> None:
    for item_id in drafts:
        request = messages.SubmitRequest(operation_id=person.ids.new(), item_id=item_id)
        await person.submissions.Submit(request, metadata=person.metadata)

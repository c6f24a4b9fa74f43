"""rookeryd queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1 import queue_service_pb2 as messages
from rookery.v1.submission_pb2 import DeliveryState
from rookery_core.rules.ids import parse, text_of
from rookery_server.cli.administration import Administration, Refused, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import bytes_of, json_option, print_fields, print_json, print_table, time_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable

domain_option = click.option("--domain", default="", help="Only recipients at this domain.", metavar="DOMAIN")


@click.group()
def queue() -> None:
    """Mail that has not arrived yet."""


@queue.command("list")
@domain_option
@json_option
@with_settings(*WHERE)
def list_(domain: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List the recipients that mail is on its way to."""
    found = administer(flags, config_file, lambda server: _waiting(server, domain=domain))
    if as_json:
        print_json([_document(one) for one in found])
        return
    columns = ("Message", "From", "To", "State", "Tried", "Next", "Last reply")
    print_table(columns, [_row(one) for one in found])


@queue.command()
@click.argument("message")
@json_option
@with_settings(*WHERE)
def show(message: str, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Show what became of MESSAGE so far, for each recipient that it has not reached."""
    wanted = parse(message)
    found = administer(flags, config_file, lambda server: _required(server, wanted))
    if as_json:
        print_json([_document(one) for one in found])
        return
    for one in found:
        print_fields(
            {
                "Message": text_of(one.submission_id),
                "From": one.sender,
                "To": one.recipient.person.address,
                "Size": bytes_of(one.size_bytes),
                "Queued": time_of(one.queued),
                "State": _state(one),
                "Tried": str(one.recipient.attempts),
                "Next": _next(one),
                "Host": one.recipient.remote_host,
                "Last reply": one.recipient.reply,
            }
        )
        click.echo()


@queue.command()
@click.argument("message", default="")
@domain_option
@with_settings(*WHERE)
def retry(message: str, domain: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Try MESSAGE now, or all mail, even if the hosts do not answer; and release what is held."""

    async def step(server: Administration, mailbox_id: bytes, submission_id: bytes) -> int:
        request = messages.RetryQueuedRequest(
            operation_id=server.operation_id(), mailbox_id=mailbox_id, submission_id=submission_id
        )
        return (await server.queue.RetryQueued(request)).recipient_count

    count = administer(flags, config_file, lambda server: _with_each(server, message, domain, step))
    click.echo(_said(count, "tried now", "what is being tried already, and what its sender holds back, stays as it is"))


@queue.command()
@click.argument("message", default="")
@domain_option
@with_settings(*WHERE)
def hold(message: str, domain: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Hold MESSAGE, or all mail, until it is released. What is being tried at this moment is not held."""

    async def step(server: Administration, mailbox_id: bytes, submission_id: bytes) -> int:
        request = messages.HoldQueuedRequest(operation_id=server.operation_id(), mailbox_id=mailbox_id, submission_id=submission_id)
        return (await server.queue.HoldQueued(request)).recipient_count

    count = administer(flags, config_file, lambda server: _with_each(server, message, domain, step))
    click.echo(_said(count, "held now", "what is held already, and what is being tried, stays as it is"))


@queue.command()
@click.argument("message", default="")
@domain_option
@with_settings(*WHERE)
def release(message: str, domain: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Release MESSAGE, or all mail, that you or a restored backup holds. What its sender holds back stays so."""

    async def step(server: Administration, mailbox_id: bytes, submission_id: bytes) -> int:
        request = messages.ReleaseQueuedRequest(
            operation_id=server.operation_id(), mailbox_id=mailbox_id, submission_id=submission_id
        )
        return (await server.queue.ReleaseQueued(request)).recipient_count

    count = administer(flags, config_file, lambda server: _with_each(server, message, domain, step))
    click.echo(_said(count, "released", "nothing is held but by its sender"))


@queue.command()
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="So many at most.", metavar="N")
@json_option
@with_settings(*WHERE)
def destinations(limit: int, as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """List where mail goes: what waits and is not held, and how it went since the server was started."""

    async def work(server: Administration) -> list[messages.Destination]:
        return list((await server.queue.ListDestinations(messages.ListDestinationsRequest(limit=limit))).destinations)

    found = administer(flags, config_file, work)
    if as_json:
        print_json([_destination(one) for one in found])
        return
    columns = ("Destination", "Waiting", "Since", "Delivered", "Deferred", "Failed", "Running", "Seconds", "Paused until")
    print_table(columns, [_destination_row(one) for one in found])


@queue.command()
@click.argument("message")
@with_settings(*WHERE)
def delete(message: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Give MESSAGE up. Its sender is told."""
    wanted = parse(message)

    async def work(server: Administration) -> int:
        found = await _required(server, wanted)
        count = 0
        for mailbox_id in dict.fromkeys(one.mailbox_id for one in found):
            request = messages.DeleteQueuedRequest(operation_id=server.operation_id(), mailbox_id=mailbox_id, submission_id=wanted)
            count += (await server.queue.DeleteQueued(request)).recipient_count
        return count

    click.echo(_said(administer(flags, config_file, work), "given up", "they are being tried at this moment"))


async def _with_each(
    server: Administration, message: str, domain: str, step: Callable[[Administration, bytes, bytes], Awaitable[int]]
) -> int:
    """Does something with a message, or with all that go to a domain or anywhere; gives how many recipients that were."""
    found = await _required(server, parse(message), domain) if message else await _waiting(server, domain=domain)
    chosen = dict.fromkeys((one.mailbox_id, one.submission_id) for one in found)
    return sum([await step(server, mailbox_id, submission_id) for mailbox_id, submission_id in chosen])


async def _waiting(server: Administration, *, domain: str = "", submission_id: bytes = b"") -> list[messages.QueuedRecipient]:
    request = messages.ListQueueRequest(domain=domain, submission_id=submission_id, page_size=500)
    found: list[messages.QueuedRecipient] = []
    while True:
        response = await server.queue.ListQueue(request)
        found += response.recipients
        request.page_token = response.next_page_token
        if not request.page_token:
            return found


async def _required(server: Administration, submission_id: bytes, domain: str = "") -> list[messages.QueuedRecipient]:
    found = await _waiting(server, domain=domain, submission_id=submission_id)
    if not found:
        raise Refused(f"no message {text_of(submission_id)} is on its way")
    return found


def _said(count: int, what: str, why_not: str) -> str:
    """How many recipients something was done for; if for none, why."""
    if not count:
        return f"No recipient is {what}: {why_not}."
    return f"1 recipient is {what}." if count == 1 else f"{count:,} recipients are {what}."


def _state(one: messages.QueuedRecipient) -> str:
    if one.is_leased:
        return "being tried"
    if not one.HasField("due"):
        return "held"
    return DeliveryState.Name(one.recipient.state).removeprefix("DELIVERY_STATE_").lower()


def _next(one: messages.QueuedRecipient) -> str:
    return time_of(one.due) if one.HasField("due") and not one.is_leased else ""


def _row(one: messages.QueuedRecipient) -> tuple[str, ...]:
    recipient = one.recipient
    message = text_of(one.submission_id)
    return message, one.sender, recipient.person.address, _state(one), str(recipient.attempts), _next(one), recipient.reply[:100]


def _document(one: messages.QueuedRecipient) -> dict[str, object]:
    return {
        "message": text_of(one.submission_id),
        "mailbox_id": text_of(one.mailbox_id),
        "from": one.sender,
        "to": one.recipient.person.address,
        "size_bytes": one.size_bytes,
        "queued": time_of(one.queued),
        "state": _state(one),
        "attempts": one.recipient.attempts,
        "next_attempt": _next(one) or None,
        "host": one.recipient.remote_host,
        "reply": one.recipient.reply,
        "status_code": one.recipient.status_code,
    }


def _destination_row(one: messages.Destination) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.waiting:,}",
        time_of(one.oldest) if one.HasField("oldest") else "",
        f"{one.delivered:,}",
        f"{one.deferred:,}",
        f"{one.failed:,}",
        f"{one.running} of {one.most_running}" if one.most_running else "",
        f"{one.median_seconds:.2f}, {one.slowest_seconds:.2f}" if one.slowest_seconds else "",
        time_of(one.paused_until) if one.HasField("paused_until") else "",
    )


def _destination(one: messages.Destination) -> dict[str, object]:
    return {
        "name": one.name,
        "waiting": one.waiting,
        "oldest": time_of(one.oldest) if one.HasField("oldest") else None,
        "delivered": one.delivered,
        "deferred": one.deferred,
        "failed": one.failed,
        "ambiguous": one.ambiguous,
        "bytes": one.bytes,
        "running": one.running,
        "most_running": one.most_running,
        "paused_until": time_of(one.paused_until) if one.HasField("paused_until") else None,
        "median_seconds": one.median_seconds,
        "slowest_seconds": one.slowest_seconds,
    }

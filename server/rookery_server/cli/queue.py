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
@with_settings(*WHERE)
def show(message: str, config_file: pathlib.Path | None, **flags: object) -> None:
    """Show what became of MESSAGE so far, for each recipient that it has not reached."""
    wanted = parse(message)
    found = administer(flags, config_file, lambda server: _required(server, wanted))
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
    """Try MESSAGE now, or all mail; and release what a restored backup holds."""
    wanted = parse(message) if message else b""

    async def work(server: Administration) -> int:
        found = await _required(server, wanted) if wanted else await _waiting(server, domain=domain)
        count = 0
        for mailbox_id, submission_id in dict.fromkeys((one.mailbox_id, one.submission_id) for one in found):
            request = messages.RetryQueuedRequest(
                operation_id=server.operation_id(), mailbox_id=mailbox_id, submission_id=submission_id
            )
            count += (await server.queue.RetryQueued(request)).recipient_count
        return count

    click.echo(f"{administer(flags, config_file, work):,} recipients are tried now.")


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

    click.echo(f"{administer(flags, config_file, work):,} recipients were given up.")


async def _waiting(server: Administration, *, domain: str = "", submission_id: bytes = b"") -> list[messages.QueuedRecipient]:
    request = messages.ListQueueRequest(domain=domain, submission_id=submission_id, page_size=500)
    found: list[messages.QueuedRecipient] = []
    while True:
        response = await server.queue.ListQueue(request)
        found += response.recipients
        request.page_token = response.next_page_token
        if not request.page_token:
            return found


async def _required(server: Administration, submission_id: bytes) -> list[messages.QueuedRecipient]:
    found = await _waiting(server, submission_id=submission_id)
    if not found:
        raise Refused(f"no message {text_of(submission_id)} is on its way")
    return found


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

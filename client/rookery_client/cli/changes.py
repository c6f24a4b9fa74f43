"""`changes`: what was done offline and waits to be sent, or was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
from rookery_client.cli.json_view import emit, identifier, item_view
from rookery_client.cli.replicas import opened
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.showing import print_item
from rookery_client.cli.terminal import clean, moment, table, time_text
from rookery_core.errors import NotFound, RookeryError
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_client.replica.replica import Replica

_ON_ITEMS = {
    "set_item_state": "mark",
    "move_items": "move",
    "copy_items": "copy",
    "delete_items": "delete",
    "restore_items": "restore",
}
_OTHERS = {
    "send_meeting": "tell the attendees of a meeting",
    "cancel_meeting": "call a meeting off",
    "forward_meeting": "forward a meeting",
    "split_series": "split a series",
    "submit": "send a message",
    "cancel_submission": "call a message back",
    "resend_submission": "send a message again",
}
_ANSWERS = {
    RESPONSE_STATUS_TENTATIVE: "accept tentatively",
    RESPONSE_STATUS_ACCEPTED: "accept",
    RESPONSE_STATUS_DECLINED: "decline",
}


def described(operation: SyncOperation) -> str:
    """What was done, in a few words: "mark 3 items", "create “Milk”"."""
    action = operation.WhichOneof("action") or ""
    if action in _ON_ITEMS:
        count = len(getattr(operation, action).item_ids)
        return f"{_ON_ITEMS[action]} {count:,} item{'' if count == 1 else 's'}"
    match action:
        case "create_item":
            item = operation.create_item.item
            return f"{'bring back' if item.revision else 'create'} “{item.summary.subject}”"
        case "update_item":
            return f"edit {_edited(operation)}"
        case "complete_task":
            return "complete a task"
        case "assign_task":
            return f"hand a task to {operation.assign_task.to.address}"
        case "respond_to_task":
            return f"{_ANSWERS[operation.respond_to_task.response]} a task"
        case "respond_to_meeting":
            return f"{_ANSWERS[operation.respond_to_meeting.response]} an invitation"
        case "create_folder":
            return f"make folder “{operation.create_folder.folder.name}”"
        case "update_folder":
            name = operation.update_folder.folder.name
            return f"move or rename folder “{name}”" if name else "move folder"
        case _:
            return _OTHERS.get(action) or action.replace("_", " ")


def change_view(operation: SyncOperation, result: PushResult | None) -> dict[str, Any]:
    """A change as JSON values; `result` is the answer of the server that refused it."""
    return {
        "id": identifier(operation.operation_id),
        "action": operation.WhichOneof("action"),
        "description": described(operation),
        "edited": time_text(operation.edited),
        "rejected": result is not None,
        "message": result.error.message if result is not None else None,
    }


@click.group()
def changes() -> None:
    """Changes made offline that wait for the next sync, or were refused by the server."""


@changes.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def list_changes(session: Session, as_json: bool) -> None:
    """List what was refused, and why; then what waits to be sent, in the order in which it was done."""
    with opened(session) as replica:
        refused, waiting = replica.rejected(), replica.all_waiting()
    if as_json:
        views = [change_view(*each) for each in refused]
        views += [{**change_view(each.operation, None), "sent": each.sent} for each in waiting]
        emit({"changes": views})
        return
    rows = [_row(operation, f"refused: {result.error.message}") for operation, result in refused]
    rows += [_row(each.operation, "sent, not answered yet" if each.sent else "waits") for each in waiting]
    table(["Done", "What", "State", "ID"], rows, cut=["What", "State"], drop=["Done"])


@changes.command()
@click.argument("change_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def dismiss(session: Session, change_id: str, as_json: bool) -> None:
    """Forget a change that was refused, or take back one that waits."""
    wanted = parse(change_id)
    with opened(session) as replica:
        taken = replica.dismiss(wanted)
    if taken is None:
        raise _unknown(change_id)
    others = f", with {taken.others:,} more that made no sense without it" if taken.others else ""
    _tell(wanted, f"Forgotten{others}.", as_json=as_json)
    if taken.sent:
        click.echo("It had been sent already: if the server has carried it out, the next sync brings that.", err=True)


@changes.command()
@click.argument("change_id", metavar="[ID]", required=False)
@click.option("--all", "all_of_them", is_flag=True, help="All that were refused, in the order in which they were done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def retry(session: Session, change_id: str | None, all_of_them: bool, as_json: bool) -> None:
    """Let a change that was refused wait for the next sync again; it gets another id.

    Exit status 1 if one of them can not be done any more; it stays as it is.
    """
    if (change_id is None) != all_of_them:
        raise click.UsageError("Either an ID or --all.")
    with opened(session) as replica:
        if change_id is None:
            _retry_all(replica, as_json=as_json)
            return
        again = replica.retry(parse(change_id))
    if again is None:
        raise _unknown(change_id)
    _tell(again.operation_id, "It waits for the next sync.", as_json=as_json)


@changes.command()
@click.argument("item_id", metavar="[ID]", required=False)
@click.option("--forget", is_flag=True, help="Forget them all, for good.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def lost(session: Session, item_id: str | None, forget: bool, as_json: bool) -> None:
    """List items that the server lost when it was restored from a backup, and that are not here whole; or show what is here of one.

    Those that are here whole are given back to the server by `rookery sync`.
    """
    if item_id is not None and forget:
        raise click.UsageError("Either an ID or --forget.")
    wanted = None if item_id is None else parse(item_id)
    with opened(session) as replica:
        found = [item for item in replica.lost() if wanted in {None, item.id}]
        if forget:
            replica.forget_lost()
    if wanted is not None and not found:
        raise NotFound("ITEM_NOT_FOUND", f"{item_id} is no lost item (`rookery changes lost` lists them)")
    if as_json:
        emit({"lost": [item_view(item) for item in found], "forgotten": forget})
        return
    if wanted is not None:
        print_item(found[0])
        return
    rows = [(moment(item.summary.received), item.summary.subject, text_of(item.id)) for item in found]
    table(["Received", "Subject", "ID"], rows, cut=["Subject"], drop=["Received"])
    if forget:
        click.echo("Forgotten.", err=True)


def _row(operation: SyncOperation, state: str) -> tuple[str, str, str, str]:
    return moment(operation.edited), described(operation), state, text_of(operation.operation_id)


def _retry_all(replica: Replica, *, as_json: bool) -> None:
    again: list[bytes] = []
    failed: list[tuple[SyncOperation, str]] = []
    for operation, _ in replica.rejected():
        try:
            recorded = replica.retry(operation.operation_id)
        except RookeryError as error:
            failed.append((operation, error.message))
        else:
            again += [recorded.operation_id] if recorded is not None else []
    if as_json:
        left = [{"id": identifier(operation.operation_id), "message": message} for operation, message in failed]
        emit({"ids": [identifier(each) for each in again], "failed": left})
    else:
        click.echo("1 waits for the next sync." if len(again) == 1 else f"{len(again):,} wait for the next sync.", err=True)
    for operation, message in failed:
        click.echo(f"rookery: {clean(described(operation))}: {clean(message)}", err=True)
    if failed:
        raise click.exceptions.Exit(1)


def _edited(operation: SyncOperation) -> str:
    request = operation.update_item
    subject = request.item.summary.subject
    return f"“{subject}”" if subject else ", ".join(request.update_mask.paths) or "lists"


def _tell(change_id: bytes, done: str, *, as_json: bool) -> None:
    if as_json:
        emit({"id": identifier(change_id)})
    else:
        click.echo(done, err=True)


def _unknown(change_id: str) -> NotFound:
    return NotFound("ITEM_NOT_FOUND", f"there is no such change: {change_id} (`rookery changes list` lists them)")


COMMANDS = (changes,)

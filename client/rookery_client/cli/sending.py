"""`send`, `reply`, `forward`: messages written on the command line, and how they leave."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rookery.v1.item_pb2 import Item, ItemContent, ItemKind, ItemSummary
from rookery.v1.person_pb2 import Person
from rookery_client.cli import addressing, enclosing, letters
from rookery_client.cli.json_view import emit, identifier
from rookery_client.cli.letters import letter_options, stdin_text
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import has_failed, is_answered, sentence, submission_view
from rookery_client.cli.terminal import LOCAL
from rookery_core.errors import FailedPrecondition, InvalidArgument, RookeryError
from rookery_core.formats import composing
from rookery_core.formats.composing import Draft, Writer
from rookery_core.formats.composing_text import Words
from rookery_core.rules import records
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rookery.v1.submission_pb2 import Submission
    from rookery_client import Client
    from rookery_client.cli.letters import Departure, Letter

_GLANCE = 1.0
"""Seconds in which colleagues usually have a message, so that it can be told at once."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class _Sent(NamedTuple):
    """What became of a message that was written."""

    item_id: bytes
    submission: Submission | None
    """None of a draft that was only kept."""


@click.command()
@click.option("--item", "item_id", metavar="ID", help="Send this draft, as it is, instead of a new message.")
@letter_options
@pass_session
def send(session: Session, /, item_id: str | None, as_json: bool, **options: Any) -> None:
    """Send a message: its text is read from stdin.

    Prints the id under which `rookery outbox show` tells what became of it, and `rookery unsend` calls it back while there is
    time. If it can not be sent, the draft is kept.
    """
    letter, departure = letters.letter(options), letters.departure(session, options)
    if item_id is not None:
        wanted = parse(item_id)
        if departure.is_draft or not letter.is_empty:
            raise click.UsageError("--item sends a draft as it is: it goes with --at, --undo, --wait and --json alone.")
        _run(session, lambda client: _leave(client, session, wanted, departure), as_json=as_json)
        return
    _require_somebody(letter, departure)
    words = Words(stdin_text(), letter.html)

    async def work(client: Client) -> _Sent:
        return await _write(client, session, _new(words), letter, departure)

    _run(session, work, as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--all", "to_all", is_flag=True, help="Answer all that it went to, not only its author.")
@letter_options
@pass_session
def reply(session: Session, /, item_id: str, to_all: bool, as_json: bool, **options: Any) -> None:
    """Answer a message: what stdin says goes above what it said.

    --to, --cc and --bcc name more people than the answer goes to anyway.
    """
    wanted, letter, departure = parse(item_id), letters.letter(options), letters.departure(session, options)
    words = Words(stdin_text(), letter.html)

    async def work(client: Client) -> _Sent:
        item = await _message(client, wanted, "answered")
        draft = composing.reply(item, await _writer(client, letter.sender), words, to_all=to_all)
        if not (departure.is_draft or letter.goes_to_somebody or any(each.person.address for each in draft.content.recipients)):
            raise FailedPrecondition("NO_RECIPIENTS", "the message does not say who wrote it: name somebody with --to")
        return await _write(client, session, draft, letter, departure)

    _run(session, work, as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--as-attachment", is_flag=True, help="Attach it as it is, rather than repeat its text.")
@letter_options
@pass_session
def forward(session: Session, /, item_id: str, as_attachment: bool, as_json: bool, **options: Any) -> None:
    """Send a message on to somebody else, with its attachments: what stdin says goes above it."""
    wanted, letter, departure = parse(item_id), letters.letter(options), letters.departure(session, options)
    _require_somebody(letter, departure)
    words = Words(stdin_text(), letter.html)

    async def work(client: Client) -> _Sent:
        writer = await _writer(client, letter.sender)
        if as_attachment:
            draft = composing.forward_as_attachment([await client.items.get(wanted)], writer, words)
        else:
            draft = composing.forward(await _message(client, wanted, "sent on without --as-attachment"), writer, words)
        return await _write(client, session, draft, letter, departure)

    _run(session, work, as_json=as_json)


def _require_somebody(letter: Letter, departure: Departure) -> None:
    if not departure.is_draft and not letter.goes_to_somebody:
        raise click.UsageError("Say to whom: --to, --cc or --bcc.")


def _new(words: Words) -> Draft:
    content = ItemContent()
    content.body.text, content.body.html = words.text_before(""), words.html
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_MESSAGE)
    summary.message.draft = True
    return Draft(summary, content, ())


async def _message(client: Client, item_id: bytes, what: str) -> Item:
    """A message, whole. InvalidArgument ``KIND_MISMATCH`` for another kind of item."""
    item = await client.items.get(item_id)
    if item.summary.kind != ItemKind.ITEM_KIND_MESSAGE:
        raise InvalidArgument("KIND_MISMATCH", f"only messages can be {what}: this item is none")
    return item


async def _writer(client: Client, sender: Person | None) -> Writer:
    """Who writes: the mailbox's owner, or under another address of theirs."""
    mailbox = await client.mailboxes.get()
    person = sender or Person(name=mailbox.display_name, address=mailbox.address)
    return Writer(person, {mailbox.address, *mailbox.aliases, person.address}, LOCAL)


async def _write(client: Client, session: Session, draft: Draft, letter: Letter, departure: Departure) -> _Sent:
    """Keeps the draft, with what the options say and enclose; and hands it over."""
    item = Item(summary=draft.summary, content=draft.content)
    letter.write(item.summary, item.content, await addressing.with_lists(client, letter.recipients))
    if letter.sender is None and not records.author(item.summary.message).name:
        item.summary.message.ClearField("from")  # not known here what its owner is called: the server says it
    await enclosing.keep(client, item.content.attachments, draft.kept)
    item.content.attachments.extend(await enclosing.uploaded(client, letter.files))
    item_id = (await client.items.create(item)).id
    if departure.is_draft:
        return _Sent(item_id, None)
    try:
        submission = await _submitted(client, item_id, departure)
    except RookeryError as error:
        message = f"{error.message}. What you wrote is kept: `rookery send --item {text_of(item_id)}` tries again"
        raise type(error)(error.reason, message, metadata=error.metadata, field=error.field) from error
    return await _looked_after(client, session, submission, departure)


async def _leave(client: Client, session: Session, item_id: bytes, departure: Departure) -> _Sent:
    """Hands a draft over that was there."""
    return await _looked_after(client, session, await _submitted(client, item_id, departure), departure)


async def _submitted(client: Client, item_id: bytes, departure: Departure) -> Submission:
    return await client.submissions.submit(item_id, send_at=departure.send_at, undo_seconds=departure.undo_seconds)


async def _looked_after(client: Client, session: Session, submission: Submission, departure: Departure) -> _Sent:
    """What becomes of a message within a while; without a server, nothing does."""
    if not session.offline:
        seconds = departure.wait_seconds or (0.0 if submission.HasField("hold_until") else _GLANCE)
        submission = await _answered(client, submission, seconds)
    return _Sent(submission.item_id, submission)


async def _answered(client: Client, submission: Submission, seconds: float) -> Submission:
    """The submission as soon as there is an answer for each recipient, or as it is after so many seconds.

    The server has the message: that it can not be asked any more ends the waiting, and is no failure to send.
    """
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + seconds, _FIRST_PAUSE
    with suppress(RookeryError):
        while not is_answered(submission) and loop.time() + pause < end:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            submission = await client.submissions.get(submission.id)
    return submission


def _run(session: Session, work: Callable[[Client], Awaitable[_Sent]], *, as_json: bool) -> None:
    """Does the work, and tells of it: the id on stdout, the rest on stderr. Exit status 1 if a recipient will not get it."""
    sent = session.run(work)
    submission = sent.submission
    if as_json:
        shown = None if submission is None else submission_view(submission)
        emit({"item_id": identifier(sent.item_id), "submission": shown})
    elif submission is None:
        click.echo(text_of(sent.item_id))
        click.echo(f"Kept as a draft. Send it: rookery send --item {text_of(sent.item_id)}", err=True)
    else:
        click.echo(text_of(submission.id))
        click.echo(sentence(submission), err=True)
    if submission is not None and has_failed(submission):
        raise click.exceptions.Exit(1)


COMMANDS = (send, reply, forward)

"""What the options of `send`, `reply` and `forward` say: of the message, and of how it leaves."""

from __future__ import annotations

import datetime as dt
import pathlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rookery.v1.item_pb2 import Importance
from rookery_client.cli import addressing, enclosing
from rookery_client.cli.filters import moment
from rookery_client.cli.kinds import Words
from rookery_client.cli.terminal import clean
from rookery_core.errors import InvalidArgument
from rookery_core.rules import mail_addresses, records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery.v1.item_pb2 import ItemContent, ItemSummary, Recipient
    from rookery.v1.person_pb2 import Person
    from rookery_client.cli.enclosing import Enclosed
    from rookery_client.cli.session import Session

MOST_UNDO_SECONDS = 600
_WAITS = 60
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=pathlib.Path)
_IMPORTANCE = {name.removeprefix("IMPORTANCE_").lower(): number for name, number in Importance.items() if number}

_OF_THE_MESSAGE: tuple[Callable[[Any], Any], ...] = (
    click.option("--to", metavar="WHO", multiple=True, help="To whom: an address, Name <address>, or a distribution list's name."),
    click.option("--cc", metavar="WHO", multiple=True, help="Who gets a copy."),
    click.option("--bcc", metavar="WHO", multiple=True, help="Who gets a copy that nobody else hears of."),
    click.option("--from", "sender", metavar="ADDRESS", help="From another address of yours; your own if left out."),
    click.option("--reply-to", metavar="WHO", multiple=True, help="Where answers shall go."),
    click.option("--subject", metavar="TEXT", help="The subject."),
    click.option("--html", type=_FILE, help="The text as HTML; what stdin says is its plain form."),
    click.option("--attach", type=_FILE, multiple=True, help="Attach a file; may be given again."),
    click.option("--inline", type=_FILE, multiple=True, help="An image that the HTML shows as cid:NAME; may be given again."),
    click.option("--importance", type=Words(_IMPORTANCE), help="How important it is."),
    click.option("--read-receipt", is_flag=True, help="Ask to be told when it is read."),
)
_OF_THE_DEPARTURE: tuple[Callable[[Any], Any], ...] = (
    click.option("--draft", is_flag=True, help="Only keep it as a draft; `rookery send --item` sends it."),
    click.option("--at", metavar="TIME", help="Send it then, e.g. 2026-11-24T08:00."),
    click.option(
        "--undo",
        type=click.IntRange(0, MOST_UNDO_SECONDS),
        default=0,
        metavar="SECONDS",
        help="Hold it back so long, for `rookery unsend`; at most 600.",
    ),
    click.option(
        "--wait",
        is_flag=False,
        flag_value=str(_WAITS),
        type=click.IntRange(min=1),
        metavar="[SECONDS]",
        help="Wait until there is an answer for each recipient, at most so long; 60 seconds if not said.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
)


def letter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that say what a message is, and how it leaves."""
    for option in reversed((*_OF_THE_MESSAGE, *_OF_THE_DEPARTURE)):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Letter:
    """What the options say of a message; a part that they leave out says nothing."""

    recipients: list[Recipient]
    """Of distribution lists only the names."""
    sender: Person | None
    subject: str | None
    html: str
    files: list[Enclosed]
    importance: Importance.ValueType
    read_receipt: bool

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        said = (self.recipients, self.sender, self.subject is not None, self.html, self.files, self.importance, self.read_receipt)
        return not any(said)

    @property
    def goes_to_somebody(self) -> bool:
        """Whether it names anybody that the message goes to."""
        reply_to = addressing.OPTIONS["--reply-to"]
        return any(each.type != reply_to for each in self.recipients)

    def write(self, summary: ItemSummary, content: ItemContent, recipients: Sequence[Recipient]) -> None:
        """Makes a draft say it too; ``recipients``, its own with the ids of lists, come beside those that are there.

        Who is named goes where they are named, and is not there twice; an author without an address goes.
        """
        named = {_key(each) for each in recipients}
        others = [each for each in content.recipients if each.person.address and _key(each) not in named]
        del content.recipients[:]
        content.recipients.extend([*others, *recipients])
        if self.sender is not None:
            records.author(summary.message).CopyFrom(self.sender)
        if self.subject is not None:
            summary.subject = self.subject
        if self.importance:
            summary.importance = self.importance
        if self.read_receipt:
            content.message.read_receipt_requested = True


@dataclass(frozen=True, slots=True)
class Departure:
    """How a message leaves."""

    is_draft: bool
    send_at: dt.datetime | None
    undo_seconds: int
    wait_seconds: int | None


def letter(options: dict[str, Any]) -> Letter:
    """Reads the options that say what a message is, and the files that they name. UsageError, InvalidArgument; OSError."""
    html = _html(options["html"]) if options["html"] is not None else ""
    if options["inline"] and not html:
        raise click.UsageError("--inline goes with --html, which shows it.")
    images = enclosing.images(options["inline"])
    for image in images:
        if f"cid:{image.content_id}" not in html:
            click.echo(f"The HTML never shows {clean(image.name)}: it would say cid:{image.content_id}.", err=True)
    subject, sender = options["subject"], options["sender"]
    return Letter(
        recipients=addressing.recipients({option: options[option[2:].replace("-", "_")] for option in addressing.OPTIONS}),
        sender=None if sender is None else addressing.sender(sender, "--from"),
        subject=None if subject is None else addressing.one_line(subject, "--subject"),
        html=html,
        files=[*images, *enclosing.files(options["attach"])],
        importance=options["importance"] or Importance.IMPORTANCE_UNSPECIFIED,
        read_receipt=options["read_receipt"],
    )


def departure(session: Session, options: dict[str, Any]) -> Departure:
    """Reads the options that say how it leaves. UsageError; InvalidArgument for a time that is none."""
    is_draft, at, wait = options["draft"], options["at"], options["wait"]
    if is_draft and (at is not None or options["undo"] or wait is not None):
        raise click.UsageError("--draft sends nothing: leave out --at, --undo and --wait.")
    if wait is not None and session.offline:
        raise click.UsageError("--wait needs the server: leave out --offline.")
    send_at = None if at is None else moment(at, "--at").ToDatetime(tzinfo=dt.UTC)
    return Departure(is_draft, send_at, options["undo"], wait)


def stdin_text() -> str:
    """What the writer says, all of stdin; at a terminal with a hint first. InvalidArgument ``FIELD_INVALID`` if it is not UTF-8."""
    if sys.stdin.isatty():
        click.echo("Write the message; Ctrl-D on an empty line ends it.", err=True)
    try:
        text = sys.stdin.read()
        text.encode("utf-8")
    except UnicodeError:
        raise InvalidArgument("FIELD_INVALID", "stdin is not UTF-8") from None
    return text


def _key(recipient: Recipient) -> tuple[bool, str]:
    """Equal for recipients that are one: To, Cc and Bcc are for receiving, Reply-To is not. "" for who has no address."""
    is_receiver = recipient.type != addressing.OPTIONS["--reply-to"]
    return is_receiver, mail_addresses.key_of(recipient.person.address)


def _html(path: pathlib.Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument("FIELD_INVALID", f"{path} is not UTF-8") from None

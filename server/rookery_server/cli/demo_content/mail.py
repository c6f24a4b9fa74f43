"""The demonstration's messages, as they travel (RFC 5322)."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from rookery_server.cli.demo_content.attachments import FILES
from rookery_server.cli.demo_content.people import ANNA, BEN, EVERYBODY, STATION, WEEKLY, Person
from rookery_server.cli.demo_content.threads import THREADS, Letter, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWS = "Newsletters"
SENSORS = "Sensors"
SENT = "sent"

_TOPICS = (
    "peat and carbon",
    "a year of beavers",
    "reed, cut by hand",
    "eels on the move",
    "dragonflies in October",
    "the price of a ditch",
)


@dataclass(frozen=True)
class Mail:
    """A message in somebody's mailbox. ``folder``: a path, or "" for the inbox, or ``SENT``."""

    owner: Person
    folder: str
    raw: bytes
    received: datetime
    read: bool = True
    flag: str = ""
    categories: tuple[str, ...] = ()


def messages(now: datetime) -> Iterator[Mail]:
    """All messages of both, the conversations first."""
    for number, thread in enumerate(THREADS, 1):
        yield from _conversation(number, thread, now)
    for number, topic in enumerate(_TOPICS, 1):
        yield from _newsletter(number, topic, now)
    for number in range(1, 9):
        yield _sensor_report(number, now)


def _conversation(number: int, thread: Thread, now: datetime) -> Iterator[Mail]:
    references: list[str] = []
    for place, letter in enumerate(thread.letters):
        identifier = f"<demo-{number}-{place + 1}@{EVERYBODY[letter.sender].address.partition('@')[2]}>"
        sent = now - timedelta(days=thread.days_ago) + timedelta(hours=letter.after)
        message = _message(letter, thread.subject if place == 0 else f"Re: {thread.subject.removeprefix('Re: ')}", sent)
        message["Message-ID"] = identifier
        if references:
            message["In-Reply-To"], message["References"] = references[-1], " ".join(references)
        references.append(identifier)
        last = place == len(thread.letters) - 1
        for owner in (ANNA, BEN):
            folder = _folder_of(owner, letter, thread)
            if folder is not None:
                incoming = last and folder != SENT
                yield Mail(
                    owner,
                    folder,
                    _bytes(message),
                    sent + timedelta(seconds=0 if folder == SENT else 40),
                    read=not (incoming and thread.unread),
                    flag=thread.flag if incoming and owner is ANNA else "",
                    categories=thread.categories if owner is ANNA else (),
                )


def _folder_of(owner: Person, letter: Letter, thread: Thread) -> str | None:
    """Where the owner keeps the letter; None if they never got it."""
    if EVERYBODY[letter.sender] is owner:
        return SENT
    got = any(EVERYBODY[name] is owner for name in (*letter.to, *letter.cc))
    return thread.folder if got else None


def _message(letter: Letter, subject: str, sent: datetime) -> EmailMessage:
    message = _envelope(EVERYBODY[letter.sender], [EVERYBODY[name] for name in letter.to], subject, sent)
    if letter.cc:
        message["Cc"] = ", ".join(EVERYBODY[name].mailbox for name in letter.cc)
    message.set_content(letter.text + "\n")
    if letter.html:
        paragraphs = "".join(f"<p>{html.escape(part).replace(chr(10), '<br>')}</p>" for part in letter.text.split("\n\n"))
        message.add_alternative(f"<html><body>{paragraphs}</body></html>\n", subtype="html")
    for name in letter.files:
        file = FILES[name]
        message.add_attachment(file.data, maintype=file.maintype, subtype=file.subtype, filename=name)
    return message


def _bytes(message: EmailMessage) -> bytes:
    """The message, the same bytes each time: boundaries are numbered, not drawn."""
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"rookery-demo-{number}")
    return message.as_bytes(policy=SMTP)


def _newsletter(number: int, topic: str, now: datetime) -> Iterator[Mail]:
    sent = now - timedelta(days=7 * (len(_TOPICS) - number) + 1, hours=3)
    message = _envelope(WEEKLY, [ANNA, BEN], f"Wetland Weekly: {topic}", sent)
    message["Message-ID"] = f"<weekly-{number}@wetland-weekly.example>"
    message["List-Id"] = "<weekly.wetland-weekly.example>"
    message["List-Unsubscribe"] = "<mailto:leave@wetland-weekly.example>"
    message.set_content(f"This week: {topic}.\n\nRead on at the kitchen table.\n")
    body = f"<h1>Wetland Weekly</h1><p>This week: <b>{topic}</b>.</p><p>Read on at the kitchen table.</p>"
    message.add_alternative(f"<html><body>{body}</body></html>\n", subtype="html")
    for owner in (ANNA, BEN):
        yield Mail(owner, NEWS, _bytes(message), sent, read=owner is BEN or number < len(_TOPICS) - 1)


def _sensor_report(number: int, now: datetime) -> Mail:
    sent = (now - timedelta(days=9 - number)).replace(hour=5, minute=0)
    level = 112 + number * number % 17
    message = _envelope(STATION, [BEN], f"Station 3: water {level} cm, {4 + number % 5} °C", sent)
    message["Message-ID"] = f"<station-3-{number}@sensors.rookery.example>"
    message["Auto-Submitted"] = "auto-generated"
    rows = "".join(f"{hour:02}:00  {level - 6 + hour // 4} cm\n" for hour in range(0, 24, 4))
    message.set_content(f"Water level in the last day:\n\n{rows}\nBattery {99 - number} %\n")
    return Mail(BEN, SENSORS, _bytes(message), sent, read=number < 7)


def _envelope(sender: Person, to: list[Person], subject: str, sent: datetime) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender.mailbox
    message["To"] = ", ".join(person.mailbox for person in to)
    message["Subject"] = subject
    message["Date"] = format_datetime(sent)
    return message

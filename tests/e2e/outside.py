"""The world outside: a Postfix with two strangers' mailboxes, which sends on what is for others and brings what is for Rookery."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import smtplib
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING

import dkim

from tests.gateway.certificates import Authority
from tests.gateway.postfix import DOMAIN, NAME, Postfix, free_port, running_postfix, running_sink

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = "rookery.test"
"""Rookery's domain."""
CLEO, BEN = f"cleo@{DOMAIN}", f"ben@{DOMAIN}"
"""Strangers, who have mailboxes."""
NOBODY = f"nobody@{DOMAIN}"
"""Postfix refuses this one at once."""
GONE = "gone@away.test"
"""Postfix takes mail for this one, and is told by the next host that it has taken it in vain."""
NO_USER = f"550 <{NOBODY}>: Recipient address rejected: User unknown in virtual mailbox table"
HAS_LEFT = "550 5.2.1 she does not work here any more"


@dataclass(frozen=True)
class Doors:
    """Where Rookery listens for mail. One person's comes by LMTP, the others' by SMTP."""

    lmtp: int = field(default_factory=free_port)
    smtp: int = field(default_factory=free_port)
    by_lmtp: str = f"anna@{HOME}"


@dataclass(frozen=True)
class Letter:
    """A message as it lies in a stranger's mailbox."""

    data: bytes

    @property
    def message(self) -> EmailMessage:
        """The same, read by Python's own library."""
        return email.message_from_bytes(self.data, policy=email.policy.default)

    def is_signed(self, record: str) -> bool:
        """Whether its signature is good by the key's record in the DNS."""
        signed = self.data[self.data.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n")
        good: bool = dkim.verify(signed, dnsfunc=lambda name, timeout=5: record.encode())
        return good


@dataclass(frozen=True)
class Outside:
    """All other mail servers, as one."""

    postfix: Postfix
    doors: Doors

    @property
    def smarthost(self) -> str:
        """The setting that sends everything there."""
        return f"smtp://127.0.0.1:{self.postfix.port}"

    def clear(self) -> None:
        """Empties the mailboxes."""
        for letter in (self.postfix.folder / "mail").glob("*/new/*"):
            letter.unlink()

    async def mailbox(self, address: str, count: int) -> list[Letter]:
        """What a stranger has got, oldest first, as soon as it is so much."""
        return [Letter(data) for data in await self.postfix.mailbox(address.partition("@")[0], count)]

    async def answer(self, letter: Letter, text: str, *, author: str) -> None:
        """A stranger answers a letter, its author and all to whom it went here."""
        asked, answer = letter.message, EmailMessage()
        answer["From"], answer["To"], answer["Cc"] = author, asked["From"], f"dora@{HOME}"
        answer["Subject"] = f"Re: {asked['Subject']}"
        answer["Message-ID"], answer["Date"] = make_msgid(domain=DOMAIN), formatdate()
        answer["In-Reply-To"] = answer["References"] = asked["Message-ID"]
        answer.set_content(text)

        def post() -> None:
            with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as client:
                client.send_message(answer)

        await asyncio.to_thread(post)


@contextlib.contextmanager
def running_outside() -> Iterator[Outside]:
    """The outside, which sends on whatever comes from this machine: a smarthost."""
    doors = Doors()
    # The next host thinks for a second: a report that overtakes the note that Postfix has taken the message has to come again, and
    # Postfix takes its time for that.
    with running_sink("-f", ".", "-w", "1", "-B", HAS_LEFT, keep=False) as refusing:
        ways = {doors.by_lmtp: f"lmtp:inet:127.0.0.1:{doors.lmtp}", HOME: f"smtp:[127.0.0.1]:{doors.smtp}"}
        ways[GONE.partition("@")[2]] = f"smtp:[127.0.0.1]:{refusing.port}"
        settings = {
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "transport_maps": "inline:{" + ", ".join(f"{{{who} = {way}}}" for who, way in ways.items()) + "}",
        }
        with running_postfix(Authority("outside").issue(NAME), settings) as postfix:
            yield Outside(postfix, doors)

"""Enhanced status codes of mail (RFC 3463, 5248): found in replies, and said in plain words."""

from __future__ import annotations

import re

_CODE = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_LEADING = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\w.]*\d)[\s:]*")
_REPLY = re.compile(r"\s*([245])\d\d[ -]?")
_LOOKED_AT = 2000

_MEANING = {
    "1.0": "Something is wrong with the address.",
    "1.1": "There is no mailbox with this address.",
    "1.2": "What stands behind the “@” is no domain that takes mail.",
    "1.3": "The address is not written as addresses are.",
    "1.4": "The address fits more than one mailbox.",
    "1.6": "The mailbox has moved, and nobody knows where to.",
    "1.7": "The sender's address is not written as addresses are.",
    "1.8": "The sender's domain can not be found.",
    "1.10": "The domain takes no mail at all.",
    "2.0": "Something is wrong with the mailbox.",
    "2.1": "The mailbox takes no mail at present.",
    "2.2": "The mailbox is full.",
    "2.3": "The message is larger than the mailbox takes.",
    "2.4": "The mailing list does not work.",
    "3.0": "The other mail server has trouble.",
    "3.1": "The other mail server is full.",
    "3.2": "The other mail server takes no mail at present.",
    "3.3": "The other mail server lacks something that the message needs.",
    "3.4": "The message is larger than the other mail server takes.",
    "3.5": "The other mail server is not set up for this.",
    "4.0": "The way to the other mail server is disturbed.",
    "4.1": "The other mail server does not answer.",
    "4.2": "The connection to the other mail server broke.",
    "4.3": "The directory of domains (DNS) does not answer.",
    "4.4": "No mail server was found for the domain.",
    "4.5": "The other mail server has too much to do.",
    "4.6": "The message goes round in circles between mail servers.",
    "4.7": "The message could not be handed over in time.",
    "5.0": "The two mail servers did not understand each other.",
    "5.1": "The two mail servers did not understand each other.",
    "5.2": "The two mail servers did not understand each other.",
    "5.3": "The message has more recipients than the other mail server takes at once.",
    "6.0": "The other mail server does not take what the message holds.",
    "6.1": "The other mail server does not take this kind of message.",
    "6.3": "The message would have to be changed for the other mail server, and it can not be.",
    "6.7": "The other mail server does not know addresses with letters such as “é” or “漢”.",
    "7.0": "The other mail server refuses the message.",
    "7.1": "The other mail server refuses the message.",
    "7.2": "The sender may not write to this mailing list.",
    "7.4": "The connection can not be made as safe as it has to be.",
    "7.5": "The connection can not be made as safe as it has to be.",
    "7.8": "Signing in at the other mail server failed.",
    "7.10": "The connection can not be made as safe as it has to be.",
    "7.20": "The message's signature (DKIM) is missing or wrong.",
    "7.21": "The message's signature (DKIM) is missing or wrong.",
    "7.22": "The message's signature (DKIM) is missing or wrong.",
    "7.23": "The sender's domain does not allow this server to send its mail (SPF).",
    "7.25": "The name of the sending server can not be verified.",
    "7.26": "The message could not be proved to come from its sender (SPF, DKIM).",
    "7.27": "The sender's domain takes no mail, so it may not send any.",
}
_CLASS = {"2": "Delivered.", "4": "The message could not be delivered yet.", "5": "The message could not be delivered."}


def status_in(text: str) -> str:
    """The first enhanced code in a text, such as "5.1.1", or ""."""
    found = _CODE.search(text[:_LOOKED_AT])
    return f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else ""


def status_of_reply(reply: str) -> str:
    """The enhanced code of an SMTP reply ("550 5.1.1 …", "550-5.1.1 …"); one made of its first digit where it has none that fits.

    "" for what is no reply.
    """
    found = _REPLY.match(reply[:_LOOKED_AT])
    if not found:
        return ""
    status, _ = split(reply[found.end() : _LOOKED_AT])
    return status if status[:1] == found[1] else f"{found[1]}.0.0"


def split(line: str) -> tuple[str, str]:
    """The enhanced code at the beginning of a reply's line (RFC 2034 section 4), or "", and the line without it."""
    found = _LEADING.match(line)
    return (f"{found[1]}.{int(found[2])}.{int(found[3])}", line[found.end() :]) if found else ("", line)


def explanation(status: str) -> str:
    """One sentence in plain words that says what an enhanced code means to the sender."""
    kind, _, detail = status.partition(".")
    if kind in {"4", "5"}:
        meaning = _MEANING.get(detail) or _MEANING.get(detail.partition(".")[0] + ".0")
        if meaning:
            return meaning
    return _CLASS.get(kind, _CLASS["5"])

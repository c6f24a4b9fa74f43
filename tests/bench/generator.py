"""A mailbox out of a seed: messages that look like mail, each a function of (seed, index) alone, made as they are asked for.

Sizes are log-normal with a median of 6 KB and a mean of 25 KB. Words follow Zipf's law, so some are in nearly every message and
some in a handful. There are threads, mailing lists, HTML alternatives, attachments in base64, and subjects and bodies beyond
ASCII.
"""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import math
import random

MEDIAN_BYTES = 6_000
MEAN_BYTES = 25_000
SIGMA = math.sqrt(2 * math.log(MEAN_BYTES / MEDIAN_BYTES))
"""A log-normal variable's mean is its median times exp(sigma² / 2)."""
SMALLEST, LARGEST = 1_100, (4 << 20) - 4_096
"""Bounds of a message; the upper one is what travels in one piece of an import."""

EPOCH = dt.datetime(2021, 3, 1, 8, 0, tzinfo=dt.UTC)
RARE_EVERY, RARE_FIRST = 5_000, 250
RARE_WORD = "quillwort"
"""Stands in the body of one message in RARE_EVERY, the first of them early enough for small mailboxes."""

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeio"]
_FOREIGN = str.split(
    "Grüße Änderung Fußnote größer über façade élève naïve année Straße Übung niño mañana Привет встреча проект 会議 資料 予定"
)
_NAMES = str.split("Anna Bram Clara Dev Elif Femi Greta Hugo Ines Jonas Kaja Liam Mira Noor Otto Pia Quinn Rosa Sven Tara Uwe Vera")
_PLAIN = b"text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
_BLOCK = 64
"""Threads stay within blocks of so many messages."""
_LINE = 78
_TEXT_POOL, _BINARY_POOL = 2 << 20, 6 << 20


def _vocabulary(rng: random.Random, size: int) -> list[str]:
    words = {"".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(size * 3)}
    chosen = sorted(words)
    rng.shuffle(chosen)
    # Zipf's law has the frequent words short.
    return sorted(chosen[:size], key=lambda word: len(word) + rng.random() * 4)


def _paragraphs(rng: random.Random, words: list[str], weights: list[float], size: int) -> bytes:
    """Text in lines of at most 78 characters, at least `size` bytes of it."""
    lines: list[str] = []
    length = 0
    while length < size:
        for _ in range(rng.randint(2, 9)):
            line = " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(8, 12)))[:76]
            lines.append(line.capitalize() if not lines or not lines[-1] else line)
            length += len(line) + 2
        lines.append("")
    return "\r\n".join(lines).encode()


class Generator:
    """Gives the messages of one seed. Building it takes a second or two; a message then takes about 0.1 ms."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        rng = random.Random(f"{seed}/pools")
        self._words = _vocabulary(rng, 12_000)
        self._weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(len(self._words))))
        self._text = _paragraphs(rng, self._words, self._weights, _TEXT_POOL)
        mixed = self._words[:3_000] + _FOREIGN * 12
        rng.shuffle(mixed)
        even = list(itertools.accumulate(1 / (rank + 20) for rank in range(len(mixed))))
        self._foreign_text = _paragraphs(rng, mixed, even, _TEXT_POOL // 4)
        noise = base64.b64encode(rng.randbytes(_BINARY_POOL * 3 // 4))
        self._noise = b"\r\n".join(noise[i : i + 76] for i in range(0, len(noise) // 76 * 76, 76)) + b"\r\n"
        self._document = base64.encodebytes(self._text).replace(b"\n", b"\r\n")
        self._parents = [-1 if rng.random() < 0.45 else rng.randrange(place) if place else -1 for place in range(_BLOCK)]
        self.common_word = self._words[0]
        """The most frequent word: it stands in nearly every message."""

    def received(self, index: int) -> dt.datetime:
        """When the message came: every 23 minutes one, later for higher indexes."""
        return EPOCH + dt.timedelta(minutes=23 * index)

    def message(self, index: int) -> bytes:
        """The message with this number, from 0 on, as RFC 5322 bytes with CRLF line ends."""
        rng = random.Random(f"{self.seed}/{index}")
        size = min(LARGEST, max(SMALLEST, int(rng.lognormvariate(math.log(MEDIAN_BYTES), SIGMA))))
        foreign = rng.random() < 0.15
        header = self._header(rng, index, foreign=foreign)
        room = size - len(header)
        if room > 24_000 or (room > 8_000 and rng.random() < 0.3):
            kind, body = self._with_attachment(rng, index, room, foreign=foreign)
        elif room > 1_500 and rng.random() < 0.55:
            kind, body = self._alternative(rng, index, room, foreign=foreign)
        else:
            kind, body = _PLAIN, self._prose(rng, index, room, foreign=foreign)
        return b"%sContent-Type: %s\r\n\r\n%s" % (header, kind, body)

    def _header(self, rng: random.Random, index: int, *, foreign: bool) -> bytes:
        date = self.received(index)
        stamp = date.strftime("%a, %d %b %Y %H:%M:%S +0000")
        author, *others = (self._person(rng) for _ in range(rng.choice((2, 2, 2, 3, 4, 7))))
        name, address = author
        host = f"mail{rng.randrange(40)}.example.net"
        lines = [
            f"Return-Path: <{address}>",
            f"Received: from {host} ({host} [192.0.2.{rng.randrange(256)}])",
            f"\tby mx.bench.example with ESMTPS id {rng.getrandbits(40):010x}",
            f"\tfor <anna@bench.example>; {stamp}",
            f"From: {name} <{address}>",
            "To: Anna Bench <anna@bench.example>" + "".join(f",\r\n {to} <{at}>" for to, at in others[:-1]),
            f"Subject: {self._subject(index, foreign=foreign)}",
            f"Date: {stamp}",
            f"Message-ID: <{self._message_id(index)}>",
            *self._ancestors(index),
            *([f"List-Id: <list{rng.randrange(12)}.lists.example.net>"] if rng.random() < 0.2 else []),
            f"User-Agent: Bench/{rng.randrange(3)}.{rng.randrange(9)}",
            "MIME-Version: 1.0\r\n",
        ]
        return "\r\n".join(lines).encode()

    def _person(self, rng: random.Random) -> tuple[str, str]:
        number = int(rng.paretovariate(0.7)) % 2_000
        first, last = _NAMES[number % len(_NAMES)], self._words[300 + number].capitalize()
        return f"{first} {last}", f"{first.lower()}.{last.lower()}@{self._words[number % 60]}.example"

    def _message_id(self, index: int) -> str:
        return f"{index:08x}.{self.seed:x}@bench.example"

    def _parent(self, index: int) -> int:
        within = self._parents[index % _BLOCK]
        return -1 if within < 0 else index - index % _BLOCK + within

    def _ancestors(self, index: int) -> list[str]:
        chain: list[int] = []
        ancestor = self._parent(index)
        while ancestor >= 0:
            chain.insert(0, ancestor)
            ancestor = self._parent(ancestor)
        if not chain:
            return []
        return [
            f"In-Reply-To: <{self._message_id(chain[-1])}>",
            "References: " + "\r\n ".join(f"<{self._message_id(each)}>" for each in chain),
        ]

    def _subject(self, index: int, *, foreign: bool) -> str:
        root = index
        while (parent := self._parent(root)) >= 0:
            root = parent
        rng = random.Random(f"{self.seed}/subject/{root}")
        text = " ".join(rng.choices(self._words, cum_weights=self._weights, k=rng.randint(2, 7))).capitalize()
        if foreign:
            text = f"{text} {_FOREIGN[root % len(_FOREIGN)]}"
        text = text if root == index else f"Re: {text}"
        return f"=?utf-8?b?{base64.b64encode(text[:40].encode()).decode()}?=" if foreign else text

    def _prose(self, rng: random.Random, index: int, size: int, *, foreign: bool) -> bytes:
        """About `size` bytes of text: a passage of the pool, from the beginning of a line on."""
        mark = f"\r\n{RARE_WORD}\r\n".encode() if index % RARE_EVERY == RARE_FIRST else b""
        pool = self._foreign_text if foreign else self._text
        passages = []
        left = size - len(mark)
        while left > 0:
            start = pool.index(b"\r\n", rng.randrange(len(pool) - 200)) + 2
            passages.append(pool[start : start + left])
            left -= len(passages[-1])
        passages[-1] = passages[-1][: passages[-1].rfind(b"\r\n") + 2] or b"\r\n"
        return b"".join(passages) + mark

    def _alternative(self, rng: random.Random, index: int, size: int, *, foreign: bool) -> tuple[bytes, bytes]:
        text = self._prose(rng, index, size * 2 // 5, foreign=foreign)
        paragraphs = text.replace(b"\r\n\r\n", b'</p>\r\n<p style="margin:0 0 1em">')
        html = b"<html><head><meta charset=utf-8></head><body>\r\n<p>%s</p>\r\n</body></html>\r\n" % paragraphs
        parts = [
            b"Content-Type: %s\r\n\r\n%s" % (_PLAIN, text),
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + html,
        ]
        return self._multipart(b"alternative", index, parts)

    def _with_attachment(self, rng: random.Random, index: int, size: int, *, foreign: bool) -> tuple[bytes, bytes]:
        text = self._prose(rng, index, min(3_000, size // 4), foreign=foreign)
        pool, name, kind = (
            (self._document, "notes.txt", "text/plain") if rng.random() < 0.3 else (self._noise, "photo.jpg", "image/jpeg")
        )
        lines = min((size - len(text)) // _LINE + 1, len(pool) // _LINE - 1)
        start = rng.randrange(len(pool) // _LINE - lines) * _LINE
        head = (
            f"Content-Type: {kind}; name={index}-{name}\r\nContent-Disposition: attachment; filename={index}-{name}\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
        )
        parts = [
            b"Content-Type: %s\r\n\r\n%s" % (_PLAIN, text),
            head.encode() + pool[start : start + lines * _LINE],
        ]
        return self._multipart(b"mixed", index, parts)

    def _multipart(self, subtype: bytes, index: int, parts: list[bytes]) -> tuple[bytes, bytes]:
        boundary = b"=_%08x_bench" % index
        body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
        return b'multipart/%s; boundary="%s"' % (subtype, boundary), body

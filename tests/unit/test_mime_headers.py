"""The pieces of headers: encoded words, parameters, dates, addresses, charsets; and text out of HTML."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.formats import mime_addresses, mime_charsets
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_dates import parse_date
from rookery_core.formats.mime_fields import date_text
from rookery_core.formats.mime_headers import decode_words, message_ids, parameters
from rookery_core.formats.mime_transfer import decode_part
from rookery_core.rules.body_text import preview_of, text_of_html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?UTF-8?B?4oI=?= =?UTF-8?B?rA==?=", "€"),  # one character cut in two
        ("=?UTF-8*de?Q?gr=C3=BCn?=", "grün"),  # RFC 2231 section 5
        ("a=?UTF-8?Q?b?=c", "abc"),
        ("=?utf-8?q?what?now?=", "what?now"),
        ("=?utf-8?b?YWJj", "=?utf-8?b?YWJj"),
        ("=?utf-8?b?YWJ?=", "ab"),
        ("=?x-unknown?q?gr=C3=BCn?=", "grün"),
        ("=?us-ascii?q?gr=FCn?=", "grün"),
        ("=?utf-8?q?two=0Alines?=", "two lines"),
    ],
)
def test_encoded_words_are_decoded(text: str, expected: str) -> None:
    assert decode_words(text) == expected


@pytest.mark.parametrize(
    ("value", "word", "expected"),
    [
        ("Text/Plain; charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ('multipart/mixed;boundary="a;b=c"', "multipart/mixed", {"boundary": "a;b=c"}),
        ("multipart/mixed; boundary=----=_x", "multipart/mixed", {"boundary": "----=_x"}),
        ('a/b; name="un\\"quoted', "a/b", {"name": 'un"quoted'}),
        ("a/b; name*=utf-8'en'%e2%82%ac", "a/b", {"name": "€"}),
        ("a/b; name*1*=%B3; name*0*=iso-8859-1''%A3; name=old", "a/b", {"name": "£³"}),
        ("a/b; name=one two.txt; x=y", "a/b", {"name": "one two.txt", "x": "y"}),
        ("a/b;; ; =x; name=z", "a/b", {"name": "z"}),
    ],
)
def test_parameters_are_read(value: str, word: str, expected: dict[str, str]) -> None:
    found, arguments = parameters(value)
    assert (found, dict(arguments)) == (word, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06"),
        ("21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06"),
        ("Thu, 13 Feb 1969 23:32 -0330 (Newfoundland Time)", "1969-02-14T03:02:00"),
        ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06"),
        ("Thu Feb 22 11:20:31 2007", "2007-02-22T11:20:31"),
        ("Tue, 22 Jan 2002 14:35:28 UT", "2002-01-22T14:35:28"),
        ("Mon, 2 May 2005 16:07:05 EDT", "2005-05-02T20:07:05"),
        ("1 January 2020 00:00", "2020-01-01T00:00:00"),
        ("Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59"),
        ("Mon, 1 Jan 2024 10:00:00 +9999", "2024-01-01T10:00:00"),
    ],
)
def test_dates_are_read_in_all_their_forms(text: str, expected: str) -> None:
    found = parse_date(text)
    assert found is not None
    assert dt.datetime.fromtimestamp(found, dt.UTC).replace(tzinfo=None).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "Pn, 29 paX 2007 21:13:00 +0100", "32 Jan 2001 10:00", "1 Jan 2001", "1 Jan 2001 25:00"]
)
def test_what_is_no_date_gives_none(text: str) -> None:
    assert parse_date(text) is None


@given(st.integers(min_value=-62_135_596_800, max_value=253_402_300_799))
def test_dates_that_are_written_are_read_again(seconds: int) -> None:
    assert parse_date(date_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@B.Test", [("", "a@b.test")]),
        ("Ann <a@b.test>, Bob <b@b.test>", [("Ann", "a@b.test"), ("Bob", "b@b.test")]),
        ('"Doe, John" <a@b.test>', [("Doe, John", "a@b.test")]),
        ("=?utf-8?q?Doe=2C_John?= <a@b.test>", [("Doe, John", "a@b.test")]),
        ('"=?utf-8?q?gr=C3=BCn?=" <a@b.test>', [("grün", "a@b.test")]),
        ("a@b.test (Ann)", [("Ann", "a@b.test")]),
        ('"a b"@c.test', [("", '"a b"@c.test')]),
        ('"Ann B" a@b.test', [("Ann B", "a@b.test")]),
        ("Team: a@b.test, Bob <b@b.test>; c@b.test", [("", "a@b.test"), ("Bob", "b@b.test"), ("", "c@b.test")]),
        ("undisclosed-recipients:;", [("undisclosed-recipients", "")]),
        ("<@route.test:a@b.test>", [("", "a@b.test")]),
        (",, ,a@b.test,", [("", "a@b.test")]),
        ("Ann <a@b.test", [("Ann", "a@b.test")]),
        ("postmaster", [("postmaster", "")]),
        ("<>", []),
        ("", []),
    ],
)
def test_addresses_are_read(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(person.name, person.address) for person in parse_addresses(text, 100)] == expected


_PIECES = st.sampled_from(
    ["Anna", "a@b.example", "<c@D.example>", '"Doe, J."', "=?utf-8?q?=2C_x?=", "'q'", " ", "\t", ",", ";", ":", "(c)", "<", "@"]
)


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_lists_in_the_usual_form_are_read_as_any_other(text: str) -> None:
    usual = mime_addresses._plain_list(text, 100)
    assert usual is None or usual == list(mime_addresses._List(text).people())


def test_message_ids_lose_brackets_blanks_and_comments() -> None:
    assert message_ids("<1234   @   local(blah)  .machine .example> <b@c>") == ["1234@local.machine.example", "b@c"]
    assert message_ids("a@b.test") == []
    assert message_ids("a@b.test", bare=True) == ["a@b.test"]


@pytest.mark.parametrize(
    ("data", "label", "expected"),
    [
        ("grün".encode(), "", "grün"),
        ("grün".encode("latin-1"), "", "grün"),
        (b"\x80", "iso-8859-1", "€"),
        (b"\x81", "windows-1252", "\x81"),
        ("한국".encode("cp949"), "ks_c_5601-1987", "한국"),
        ("漢字".encode("gb18030"), "gb2312", "漢字"),
        ("שלום".encode("iso8859-8"), "iso-8859-8-i", "שלום"),
        ("ไทย".encode("cp874"), "windows-874", "ไทย"),
        (b"+AOQ-", "utf-7", "ä"),
        ("при".encode("koi8-r"), "KOI8-R", "при"),
        ("grün".encode("latin-1"), "utf-8", "grün"),
        (b"a\0b", "us-ascii", "ab"),
        (b"abc", "base64", "abc"),
        ("é".encode("mac-roman"), "macintosh", "é"),
        ("漢".encode("big5"), "x-big5", "漢"),
        ("при".encode("cp1251"), "Windows-1251", "при"),
        ("é".encode("cp850"), "cp-850", "é"),
        ("é".encode("iso8859-15"), "iso_8859-15", "é"),
    ],
)
def test_charsets_are_decoded_as_senders_mean_them(data: bytes, label: str, expected: str) -> None:
    assert mime_charsets.decode(data, label) == expected


def test_raw_bytes_of_a_header_are_taken_for_the_charset_of_the_body() -> None:
    assert mime_charsets.decode("при".encode("koi8-r"), "", "koi8-r") == "при"


@pytest.mark.parametrize(
    ("encoded", "encoding", "expected"),
    [
        (b"aGVsbG8=\r\n", "base64", b"hello"),
        (b"aGVsbG8", "base64", b"hello"),
        (b"aGVs\r\nbG8=\r\nd29ybGQ=", "base64", b"helloworld"),
        (b"aGVsbG8=\n__________\nfooter", "base64", None),
        (b"a-_b", "base64", b"k\xef\xdb"),
        (b"a!b@c#", "base64", b"i\xb7"),
        (b"a=3Db=\r\nc=ZZ", "quoted-printable", b"a=bc=ZZ"),
        (b"begin 644 x\n#0V%T\n`\nend\ntrailer\n", "uuencode", b"Cat"),
        (b"#0V%T", "uuencode", b"Cat"),
        (b"as it is", "identity", b"as it is"),
    ],
)
def test_transfer_encodings_are_undone_leniently(encoded: bytes, encoding: str, expected: bytes | None) -> None:
    decoded = decode_part(encoded, encoding)
    assert decoded.startswith(b"hello") if expected is None else decoded == expected


def test_html_becomes_text_without_what_is_not_shown() -> None:
    source = "<head><style>x</style></head><p>One &amp; <b>two</b></p><!-- no --><script>no()</script><div>a &lt; b</div>1 < 2"
    assert text_of_html(source) == "One & two\n\na < b\n1 < 2"
    assert preview_of("", "<style>open" + source) == "One & two a < b 1 < 2"
    assert text_of_html("<style>never closed <b>text</b><!-- nor this") == "never closed text"
    assert preview_of("  a\n\n b" * 200, "").startswith("a b a b") and len(preview_of("word " * 200, "")) <= 200


def test_a_preview_is_found_behind_white_space() -> None:
    for blank_lines in (0, 200, 300, 2_500, 32_000):
        shown = preview_of("Hello" + " \n" * blank_lines + " there " + "word " * 99, "")
        assert shown == ("Hello there " + "word " * 99)[:200].rstrip()
    assert preview_of(" " * 70_000 + "too late", "<p>so the HTML is shown</p>") == "so the HTML is shown"

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rookery_client.cli.files import safe_name, written
from rookery_client.cli.terminal import clean, clean_block, moment, size, table


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("a\u202eb\u2066c", "abc"),
        ("a\x00b\x08c\x7f", "abc"),
        ("two\nlines\ttab", "two lines tab"),
        ("half an escape \x1b", "half an escape"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("שלום Grüße 你好 👩‍👩‍👧", "שלום Grüße 你好 👩‍👩‍👧"),
    ],
)
def test_text_is_made_harmless(hostile, harmless):
    assert clean(hostile) == harmless


def test_a_block_keeps_its_lines():
    assert clean_block("a\r\nb\rc\td\x1b[2J") == "a\nb\nc\td"


@given(st.text(alphabet=st.characters(codec=None)))
def test_nothing_that_steers_a_terminal_is_ever_left(text):
    left = clean_block(text)
    assert not [each for each in left if unicodedata.category(each) in {"Cc", "Cs"} and each not in "\n\t"]
    assert not {"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067"} & set(left)
    left.encode("utf-8")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (6144, "6.1 KB"), (24_000_000, "24 MB"), (10**15, "1000 TB")]
)
def test_sizes_are_said_shortly(count, said):
    assert size(count) == said


def test_no_time_is_nothing_and_an_odd_time_is_no_error():
    assert moment(Timestamp()) == ""
    assert moment(Timestamp(seconds=-62_135_596_800))
    assert moment(Timestamp(seconds=253_402_300_799))


def test_a_table_for_a_program_is_never_cut(capsys):
    table(["Subject", "ID"], [("s" * 500, "i" * 36)], cut=["Subject"], drop=["ID"])
    out = capsys.readouterr().out
    assert "s" * 500 in out and "i" * 36 in out and "[" not in out


def test_a_narrow_terminal_loses_columns_and_the_ends_of_texts_but_never_an_id(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    table(["Subject", "Size", "ID"], [("s" * 500, "1234567890123456789", "i" * 36)], cut=["Subject"], drop=["Size"])
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "i" * 36 in out and "s" * 20 in out and "…" in out
    assert "1234" not in out
    assert all(len(line) <= 70 for line in out.splitlines())


def test_square_brackets_are_no_markup(capsys):
    table(["Subject"], [("[bold]offer[/bold] [link=http://evil]x",)])
    assert "[bold]offer[/bold] [link=http://evil]x" in capsys.readouterr().out


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_file_name_is_one_plain_name(text):
    name = safe_name(text, "attachment-1")
    assert name and "/" not in name and "\\" not in name and not name.startswith(".")
    assert len(name.encode("utf-8")) <= 200


def test_a_long_file_name_keeps_its_ending():
    assert safe_name("ü" * 300 + ".pdf", "x").endswith("ü.pdf")


def _write_half(target):
    with written(target) as file:
        file.write(b"half")
        raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "a"
    with pytest.raises(RuntimeError):
        _write_half(target)
    assert list(tmp_path.iterdir()) == []
    with written(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"

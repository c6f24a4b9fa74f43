"""Maildir: messages, flags, times and folders."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import InvalidArgument
from rookery_core.formats import maildir

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make(tmp_path / "Maildir")


def test_flags_and_times_come_from_the_file_names(top: Path) -> None:
    (top / "new" / "1204680123.a.host").write_bytes(b"new")
    (top / "cur" / "1204680122.b.host,S=3:2,FRS").write_bytes(b"marked")
    (top / "cur" / "other:2,DTP").write_bytes(b"odd")
    os.utime(top / "cur" / "other:2,DTP", (5, 1_000_000_000))
    (top / "tmp" / "1204680124.c.host").write_bytes(b"half written")
    fresh, marked, odd = maildir.read(top)
    assert (fresh.raw, fresh.received, fresh.read, fresh.folder) == (b"new", 1204680123, False, ())
    assert (marked.received, marked.read, marked.flagged, marked.trashed) == (1204680122, True, True, False)
    assert (odd.received, odd.read, odd.flagged, odd.trashed) == (1_000_000_000, False, False, True)


def test_a_message_that_is_too_large_comes_without_its_bytes(top: Path) -> None:
    (top / "cur" / "1.x:2,S").write_bytes(b"x" * 101)
    (top / "cur" / "2.x:2,S").write_bytes(b"x" * 100)
    assert [(message.raw, message.too_large) for message in maildir.read(top, 100)] == [(b"", True), (b"x" * 100, False)]


def test_bytes_come_back_as_they_are(top: Path) -> None:
    raw = b"A: b\r\n\n\xff\0\r"
    (top / "cur" / "1.x:2,").write_bytes(raw)
    assert [message.raw for message in maildir.read(top)] == [raw]


def test_folders_of_both_layouts_are_found_with_their_names_decoded(top: Path) -> None:
    for name in (".Work.2024", ".Entw&APw-rfe", ".R&-D", "plain/below", ".&a-"):
        (make(top / name) / "cur" / "1.x:2,S").write_bytes(name.encode())
    assert {message.folder: message.raw.decode() for message in maildir.read(top)} == {
        ("Work", "2024"): ".Work.2024",
        ("Entwürfe",): ".Entw&APw-rfe",
        ("R&D",): ".R&-D",
        ("plain", "below"): "plain/below",
        ("&a-",): ".&a-",
    }


def test_a_message_that_another_program_marks_as_read_meanwhile_comes_once(top: Path) -> None:
    (top / "new" / "1.x").write_bytes(b"first")
    (top / "new" / "2.y").write_bytes(b"second")
    messages = maildir.read(top)
    assert next(messages).raw == b"first"
    (top / "new" / "1.x").rename(top / "cur" / "1.x:2,S")
    (top / "new" / "2.y").rename(top / "cur" / "2.y:2,S")
    assert [message.raw for message in messages] == [b"second"]


def test_symbolic_links_are_not_followed_into_a_circle(top: Path) -> None:
    (top / "loop").symlink_to(top)
    (top / "new" / "1.x").write_bytes(b"once")
    assert len(list(maildir.read(top))) == 1


def test_what_is_no_maildir_is_refused(tmp_path: Path) -> None:
    assert not maildir.is_maildir(tmp_path)
    with pytest.raises(InvalidArgument) as caught:
        maildir.read(tmp_path)
    assert caught.value.reason == "DOCUMENT_INVALID"

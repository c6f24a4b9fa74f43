"""`import`: what is found where, what is left out, and what is told of it."""

from __future__ import annotations

import json
import mailbox

import pytest

from rookery.v1 import content_service_pb2 as content
from rookery_client.cli import import_sources
from tests.support.cli_fakes import shown

pytest_plugins = ["tests.support.cli_fixtures"]

FROM_LINE = b"From x@y Mon Jan  1 00:00:00 2024\n"


def sent(box):
    return [request.data for request in box.of(content.ImportDocument)]


@pytest.fixture
def files(tmp_path):
    """A folder with one message, and one below it."""
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.eml").write_bytes(b"From: a@example.org\nSubject: a\n\nhi")
    (folder / "deep" / "b.eml").write_bytes(b"From: a@example.org\nSubject: b\n\nhi")
    return folder


def test_links_that_lead_in_a_circle_bring_nothing_in_twice(run, box, files):
    (files / "deep" / "loop").symlink_to(files)
    (files / "again").symlink_to(files / "deep")
    status, out, error = run("import", files)
    assert (status, out) == (0, b"2 imported, 2 skipped, 0 failed\n")
    assert error == "rookery: 2 left out: a link to a folder; to import what is there, name it\n"
    assert len(sent(box)) == 2


def test_a_link_to_a_folder_is_followed_where_it_is_named(run, box, files, tmp_path):
    (tmp_path / "link").symlink_to(files)
    assert run("import", tmp_path / "link")[1] == b"2 imported, 0 skipped, 0 failed\n"


def test_a_link_to_a_file_is_followed(run, box, files, tmp_path):
    (tmp_path / "c.eml").write_bytes(b"From: a@example.org\nSubject: c\n\nhi")
    (files / "c.eml").symlink_to(tmp_path / "c.eml")
    assert run("import", files)[1] == b"3 imported, 0 skipped, 0 failed\n"


@pytest.fixture
def maildir(tmp_path):
    """A Maildir with a message thrown away, a draft, and one that was read."""
    folder = mailbox.Maildir(tmp_path / "Maildir")
    for flags in ("ST", "D", "S"):
        message = mailbox.MaildirMessage(b"Subject: %s\n\nhi" % flags.encode())
        message.set_subdir("cur")
        message.set_flags(flags)
        folder.add(message)
    return tmp_path / "Maildir"


def test_what_a_maildir_marks_as_thrown_away_is_left_out_and_counted(run, box, maildir):
    status, out, error = run("import", maildir)
    assert (status, out) == (0, b"2 imported, 1 skipped, 0 failed\n")
    assert error == "rookery: 1 left out: thrown away in the Maildir\n"
    assert sorted(sent(box)) == [b"Subject: D\n\nhi", b"Subject: S\n\nhi"]


def test_what_was_left_out_is_told_to_programs(run, maildir):
    document = shown(run("import", maildir, "--json"))
    assert (document["imported"], document["skipped"], document["failed"]) == (2, 1, 0)
    assert document["left_out"] == [{"reason": "thrown away in the Maildir", "count": 1}]


def test_messages_that_are_too_large_are_reported_and_the_others_come_in(run, box, tmp_path, maildir, monkeypatch):
    monkeypatch.setattr(import_sources, "LARGEST_FILE", 200)
    large = b"Subject: large\n\n" + b"x" * 300 + b"\n"
    (tmp_path / "a.mbox").write_bytes(b"".join(FROM_LINE + raw + b"\n" for raw in (b"Subject: 1\n", large, b"Subject: 3\n")))
    (tmp_path / "large.eml").write_bytes(large)
    (maildir / "new" / "1.large").write_bytes(large)
    status, out, error = run("import", tmp_path / "a.mbox", tmp_path / "large.eml", maildir, "--json")
    document = json.loads(out)
    assert status == 1
    assert (document["imported"], document["skipped"], document["failed"]) == (4, 1, 3)
    assert {failure["reason"] for failure in document["failures"]} == {"MESSAGE_TOO_LARGE"}
    assert document["failures"][0]["source"] == f"{tmp_path / 'a.mbox'}, message 2"
    assert error.count("larger than") == 3
    assert {b"Subject: 1\n", b"Subject: 3\n"} <= set(sent(box))

from __future__ import annotations

import io
import json
import mailbox

from rookery.v1 import content_service_pb2 as content
from rookery.v1.item_pb2 import DocumentFormat, FlagStatus
from rookery_core.formats import mbox
from tests.support import corpus
from tests.support.cli_fakes import ONE, ONE_TEXT, PROJECTS, TWO

pytest_plugins = ["tests.support.cli_fixtures"]

CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nN:A;;;;\r\nEND:VCARD\r\n"
FROM_LINE = b"From x@y Mon Jan  1 00:00:00 2024\n"


def test_raw_writes_the_bytes_as_they_are(run, box, tmp_path):
    assert run("raw", ONE_TEXT)[1] == box.documents[ONE]
    assert run("raw", ONE_TEXT, "--output", tmp_path / "a.eml")[1] == b""
    assert (tmp_path / "a.eml").read_bytes() == box.documents[ONE]


def test_an_attachment_is_saved_here_whatever_its_name(run, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert run("save-attachment", ONE_TEXT, "1")[0] == 0
    assert [(path.name, path.read_bytes()) for path in here.iterdir()] == [("_.._evil.txt", b"data")]
    status, _, error = run("save-attachment", ONE_TEXT, "1")
    assert status == 1
    assert "--output" in error
    assert run("save-attachment", ONE_TEXT, "1", "--output", "-")[1] == b"data"
    assert run("save-attachment", ONE_TEXT, "2")[2].startswith("rookery: the item has no attachment 2")


def test_import_recognises_files_by_content_and_reports_the_bad_ones(run, box, tmp_path):
    files = tmp_path / "files"
    (files / "deep").mkdir(parents=True)
    (files / "a.txt").write_bytes(b"From: a@example.org\nSubject: x\n\nhi")
    (files / "b").write_bytes(FROM_LINE + b"Subject: 1\n\n>From me\n\n" + FROM_LINE + b"Subject: 2\n\n")
    (files / "c.eml").write_bytes(b"From: z\nSubject: y\n\nrefuse me")
    (files / "deep" / "card").write_bytes(CARD * 2)
    (files / "junk.bin").write_bytes(b"\0\1\2")
    status, out, error = run("import", files, "--folder", "projects", "--read", "--skip-existing", "--json")
    document = json.loads(out)
    assert status == 1
    assert (document["imported"], document["skipped"], document["failed"]) == (5, 0, 2)
    assert {failure["source"].rpartition("/")[2] for failure in document["failures"]} == {"c.eml", "junk.bin"}
    assert error.count("\n") == 2
    requests = box.of(content.ImportDocument)
    assert all(request.folder_id == PROJECTS and request.skip_existing and request.state.read for request in requests)
    assert b"Subject: 1\n\nFrom me\n" in [request.data for request in requests]
    assert sum(request.format == DocumentFormat.DOCUMENT_FORMAT_VCARD for request in requests) == 2


def test_import_keeps_the_marks_of_a_maildir(run, box, tmp_path):
    folder = mailbox.Maildir(tmp_path / "Maildir")
    message = mailbox.MaildirMessage(b"Subject: x\n\nhi")
    message.set_subdir("cur")
    message.set_flags("FS")
    folder.add(message)
    status, out, _ = run("import", tmp_path / "Maildir")
    assert (status, out) == (0, b"1 imported, 0 skipped, 0 failed\n")
    state = box.of(content.ImportDocument)[0].state
    assert state.read and state.follow_up.status == FlagStatus.FLAG_STATUS_FLAGGED


def test_import_of_a_real_mailbox_sends_every_message_once(run, box):
    status, out, _ = run("import", corpus.mbox())
    assert (status, out) == (0, b"1,650 imported, 0 skipped, 0 failed\n")
    assert len({request.operation_id for request in box.of(content.ImportDocument)}) == 1650


def test_import_into_a_missing_folder_names_mkdir(run, tmp_path):
    (tmp_path / "a.eml").write_bytes(b"Subject: x\n\n")
    status, _, error = run("import", tmp_path / "a.eml", "--folder", "Nowhere")
    assert status == 1
    assert "rookery mkdir" in error and error.count("\n") == 1


def test_export_to_mbox_gives_back_the_messages_byte_for_byte(run, box, tmp_path):
    status, out, _ = run("export", "inbox", "--format", "mbox")
    assert status == 0
    assert [message.raw for message in mbox.read(io.BytesIO(out))] == [box.documents[ONE], box.documents[TWO]]
    assert run("export", "inbox", "--format", "mbox", "--output", tmp_path / "in.mbox")[0] == 0
    assert (tmp_path / "in.mbox").read_bytes() == out


def test_export_to_files_makes_one_for_each_message(run, box, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    assert run("export", "inbox", "--format", "eml", "--output", target)[0] == 0
    assert sorted(path.read_bytes() for path in target.iterdir()) == sorted(box.documents.values())
    assert run("export", "inbox", "--format", "eml")[0] == 2


def test_a_failed_export_leaves_nothing_half_written(run, box, tmp_path):
    del box.documents[TWO]
    target = tmp_path / "in.mbox"
    target.write_bytes(b"old")
    assert run("export", "inbox", "--format", "mbox", "--output", target)[0] == 1
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["in.mbox"]

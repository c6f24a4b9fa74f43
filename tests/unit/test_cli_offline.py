"""`rookery --offline`: the commands on a replica, without a server and without a sign-in."""

from __future__ import annotations

import io
import json
import sys

import pytest

from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from rookery_core.rules.ids import text_of
from tests.support.cli_fakes import shown
from tests.support.client_fakes import tokens
from tests.support.replica_filling import DELETED, PROJECTS, Device

UNREACHABLE = "127.0.0.1:1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where profiles and replicas are kept."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config"


@pytest.fixture
def items(folder):
    """Two messages in the replica of the default profile."""
    device = Device(folder / "replicas" / "default.replica")
    made = [device.message("One", "first"), device.message("Two", "second")]
    device.put(*made)
    device.close()
    return made


@pytest.fixture
def run(folder, monkeypatch, capfdbinary):
    """Runs the command; gives exit status, stdout and stderr."""

    def run(*argv, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main([str(each) for each in argv])
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return status, captured.out, captured.err.decode()

    return run


def subjects(run, name):
    return [item["summary"]["subject"] for item in shown(run("--offline", "ls", name, "--json"))["items"]]


def sign_in(folder):
    Profiles(folder).put("default", Profile(server=UNREACHABLE, address="anna@example.org", tokens=tokens("1")))


@pytest.mark.usefixtures("items")
def test_nobody_has_to_be_signed_in(run, monkeypatch):
    assert subjects(run, "inbox") == ["Two", "One"]
    monkeypatch.setenv("ROOKERY_OFFLINE", "1")
    status, out, error = run("search", "first")
    assert (status, error) == (0, "") and b"One" in out


def test_without_a_replica_the_error_says_how_to_make_one(run):
    status, out, error = run("--offline", "ls", "inbox")
    assert (status, out) == (1, b"") and "make one with `rookery sync`" in error


def test_a_replica_may_be_anywhere(run, tmp_path, monkeypatch):
    device = Device(tmp_path / "elsewhere.replica")
    device.put(device.message("Elsewhere"))
    device.close()
    path = str(tmp_path / "elsewhere.replica")
    assert b"Elsewhere" in run("--offline", "--replica", path, "ls", "inbox")[1]
    monkeypatch.setenv("ROOKERY_REPLICA", path)
    assert b"Elsewhere" in run("--offline", "ls", "inbox")[1]


def test_each_profile_has_a_replica_of_its_own(run, folder):
    device = Device(folder / "replicas" / "work.replica")
    device.put(device.message("Work"))
    device.close()
    assert b"Work" in run("--profile", "work", "--offline", "ls", "inbox")[1]
    assert run("--offline", "ls", "inbox")[0] == 1


def test_changes_wait_and_say_so(run, items):
    one, two = (text_of(item.id) for item in items)
    waits = "1 change waits for the next sync.\n"
    assert run("--offline", "mark", one, "--flag")[2] == waits + "1 marked.\n"
    assert run("--offline", "mkdir", "Ideas")[2] == waits
    assert run("--offline", "move", one, "Ideas")[2] == waits + "1 moved.\n"
    assert run("--offline", "edit", two, "--subject", "Zwei")[2] == waits + "Changed.\n"
    assert run("--offline", "mvdir", "Ideas", "Projects/Plans")[0] == 0
    assert subjects(run, "Projects/Plans") == ["One"] and subjects(run, "inbox") == ["Zwei"]
    assert run("--offline", "rmdir", "Projects/Plans")[2] == waits + "1 item deleted.\n"
    assert run("--offline", "rm", two)[2] == waits + "1 deleted.\n"
    assert subjects(run, "deleted") == ["Zwei"]
    assert run("--offline", "restore", one)[2] == waits + "1 restored.\n"


def test_json_stays_one_document(run, items):
    status, out, error = run("--offline", "copy", text_of(items[0].id), "projects", "--json")
    assert status == 0 and error == "1 change waits for the next sync.\n"
    [copy] = json.loads(out)["copies"]
    assert copy["source_id"] == text_of(items[0].id)
    [copied] = shown(run("--offline", "ls", "projects", "--json"))["items"]
    assert copied["id"] == copy["item_id"] and copied["folder_id"] == text_of(PROJECTS)


@pytest.mark.usefixtures("items")
def test_what_was_made_offline_can_be_shown(run):
    record = '{"summary": {"kind": "note", "subject": "Milk"}, "content": {"body": {"text": "two litres"}}}'
    status, out, _ = run("--offline", "create", stdin=record)
    assert status == 0
    assert b"two litres" in run("--offline", "show", out.decode().strip())[1]


def test_unknown_ids_fail_as_they_do_online(run, items):
    status, _, error = run("--offline", "mark", text_of(items[0].id), text_of(b"x" * 16), "--unread")
    assert status == 1 and f"there is no such item here: {text_of(b'x' * 16)}" in error
    status, _, error = run("--offline", "show", text_of(b"x" * 16))
    assert (status, error) == (1, "rookery: the mailbox has no such item\n")


@pytest.mark.usefixtures("items")
@pytest.mark.parametrize("argv", [["whoami"], ["sessions", "list"], ["ls", "inbox", "--deleted"], ["sync"]])
def test_what_needs_the_server_is_refused_without_asking_it(run, folder, argv):
    sign_in(folder)
    status, out, error = run("--offline", *argv)
    assert status in {1, 2} and out == b"" and UNREACHABLE not in error
    assert "server" in error


@pytest.mark.usefixtures("items")
def test_signing_in_and_importing_are_refused_offline(run, folder, tmp_path):
    sign_in(folder)
    status, _, error = run(
        "--offline", "login", "anna@example.org", "--server", UNREACHABLE, "--password-stdin", stdin="correct horse\n"
    )
    assert status == 1 and "leave out --offline" in error
    assert run("--offline", "logout")[0] == 1
    assert Profiles(folder).get("default").tokens == tokens("1")
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"Subject: hello\r\n\r\nhello\r\n")
    status, _, error = run("--offline", "import", mail)
    assert status == 1 and "needs the server" in error


@pytest.mark.usefixtures("items")
def test_an_unreachable_server_brings_the_replica_to_mind(run, folder):
    sign_in(folder)
    status, _, error = run("ls", "inbox")
    assert status == 1 and UNREACHABLE in error and "`rookery --offline …` works on what was synced" in error


def test_without_a_replica_nothing_is_brought_to_mind(run, folder):
    sign_in(folder)
    status, _, error = run("ls", "inbox")
    assert status == 1 and UNREACHABLE in error and "--offline" not in error


def test_deleted_items_are_searched_when_they_are_named(run, folder):
    device = Device(folder / "replicas" / "default.replica")
    device.put(device.message("Old news", folder=DELETED))
    device.close()
    assert shown(run("--offline", "search", "news", "--json"))["items"] == []
    [hit] = shown(run("--offline", "search", "news", "--folder", "deleted", "--json"))["items"]
    assert hit["summary"]["subject"] == "Old news"

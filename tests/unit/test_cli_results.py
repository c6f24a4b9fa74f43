"""What commands that only do something tell programs, and how long work shows on a terminal."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest

from rookery.v1 import auth_service_pb2 as auth
from rookery.v1.folder_pb2 import DeleteFolderResponse, EmptyFolderResponse
from rookery_client.cli.profiles import Profiles
from rookery_client.cli.progress import bar, spinner
from tests.support.cli_fakes import ONE_TEXT, Box, shown

pytest_plugins = ["tests.support.cli_fixtures"]


class Account(Box):
    """A mailbox whose sessions, password and folders can be changed."""

    async def revoke(self, request, context):
        self.asked.append(request)
        return auth.RevokeSessionResponse()

    async def change_password(self, request, context):
        self.asked.append(request)
        return auth.ChangePasswordResponse()

    async def delete_folder(self, request, context):
        await asyncio.sleep(0.3)
        return DeleteFolderResponse(deleted_items=3)

    async def empty_folder(self, request, context):
        await asyncio.sleep(0.3)
        return EmptyFolderResponse(deleted_items=2)

    @property
    def handlers(self):
        return {
            **super().handlers,
            "AuthService.RevokeSession": self.revoke,
            "AuthService.ChangePassword": self.change_password,
            "FolderService.DeleteFolder": self.delete_folder,
            "FolderService.EmptyFolder": self.empty_folder,
        }


@pytest.fixture
def box(box):
    account = Account()
    account.items, account.documents, account.attachments = box.items, box.documents, box.attachments
    return account


def test_logout_tells_who_was_signed_out(run, server, tmp_path):
    document = shown(run("logout", "--json"))
    assert document == {"profile": "default", "server": server, "address": "anna@example.org"}
    assert Profiles(tmp_path / "config").get("default").tokens is None


def test_revoke_tells_which_session_ended(run, box):
    assert shown(run("sessions", "revoke", ONE_TEXT, "--json")) == {"session_id": ONE_TEXT}
    assert box.of(auth.RevokeSessionRequest)[0].session_id.hex() == ONE_TEXT.replace("-", "")
    assert run("sessions", "revoke", ONE_TEXT) == (0, b"", "The device is signed out.\n")


def test_passwd_tells_whose_password_it_changed(run, box):
    document = shown(run("passwd", "--password-stdin", "--json", stdin="correct horse\nbattery staple\n"))
    assert document == {"profile": "default", "address": "anna@example.org"}
    (request,) = box.of(auth.ChangePasswordRequest)
    assert (request.old_password, request.new_password) == ("correct horse", "battery staple")


def test_save_attachment_tells_what_it_saved_and_where(run, tmp_path):
    target = tmp_path / "a.txt"
    document = shown(run("save-attachment", ONE_TEXT, "1", "--output", target, "--json"))
    assert document["path"] == str(target) and document["attachment"]["size_bytes"] == 4
    assert target.read_bytes() == b"data"
    status, out, _ = run("save-attachment", ONE_TEXT, "1", "--output", "-", "--json")
    assert (status, out) == (2, b"")


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        return True


@pytest.fixture
def on_terminal(run, monkeypatch):
    """Runs the command with a terminal as its stderr; gives the exit status and what the terminal got."""
    monkeypatch.setenv("TERM", "xterm")

    def on_terminal(*argv):
        # Not in the fixture itself: pytest puts its own stderr in place when the test begins.
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", Terminal())
            status, _, _ = run(*argv)
            return status, sys.stderr.getvalue()

    return on_terminal


@pytest.mark.parametrize(("words", "said"), [("rmdir projects", "Deleting"), ("empty projects", "Emptying")])
def test_long_work_of_the_server_shows_a_sign_of_life_on_a_terminal(on_terminal, words, said):
    status, seen = on_terminal(*words.split())
    assert status == 0
    assert said in seen


def test_raw_shows_its_progress_where_it_writes_a_file(on_terminal, tmp_path):
    status, seen = on_terminal("raw", ONE_TEXT, "--output", tmp_path / "a.eml")
    assert status == 0
    assert "Saving" in seen and "100%" in seen


def test_bytes_that_go_to_stdout_are_not_mixed_with_a_bar(on_terminal):
    assert on_terminal("raw", ONE_TEXT) == (0, "")
    assert on_terminal("save-attachment", ONE_TEXT, "1", "--output", "-") == (0, "")


def test_progress_is_silent_where_nobody_looks(capsys):
    with bar("Saving", None) as advance, spinner("Deleting"):
        advance(5, total=10)
        advance(5)
    assert capsys.readouterr() == ("", "")

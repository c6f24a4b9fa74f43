from __future__ import annotations

import socket
import stat

import pytest

from rookery.v1.auth_service_pb2 import LoginRequest, LogoutRequest, RefreshRequest
from rookery_client.cli.profiles import Profiles
from tests.support.cli_fakes import ONE_TEXT, shown
from tests.support.client_fakes import tokens

pytest_plugins = ["tests.support.cli_fixtures"]


def test_login_keeps_the_profile_in_a_file_for_its_owner_only(run, tmp_path, box):
    path = tmp_path / "config" / "profiles.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    profile = Profiles(tmp_path / "config").get("default")
    assert profile.address == "anna@example.org"
    assert profile.tokens == tokens("1")
    assert b"correct horse" not in path.read_bytes()
    assert box.of(LoginRequest)[0].device_name.startswith("rookery on ")


def test_a_wrong_password_is_one_line_and_leaves_the_profile(run, server, tmp_path):
    before = (tmp_path / "config" / "profiles.json").read_bytes()
    status, out, error = run("login", "anna@example.org", "--server", server, "--password-stdin", stdin="wrong\n")
    assert (status, out, error) == (1, b"", "rookery: address or password is wrong\n")
    assert (tmp_path / "config" / "profiles.json").read_bytes() == before


def test_login_again_needs_no_server(run):
    assert run("login", "anna@example.org", "--password-stdin", stdin="correct horse\n")[0] == 0


def test_a_first_login_needs_a_server(run):
    assert run("--profile", "new", "login", "anna@example.org", "--password-stdin", stdin="correct horse\n")[0] == 2


def test_profiles_are_kept_apart(run, server, monkeypatch):
    status, _, error = run("--profile", "other", "whoami")
    assert status == 1
    assert error == "rookery: there is no profile “other”: sign in with `rookery login ADDRESS --server HOST:PORT`\n"
    run("--profile", "other", "login", "b@example.org", "--server", server, "--password-stdin", stdin="correct horse\n")
    monkeypatch.setenv("ROOKERY_PROFILE", "other")
    assert shown(run("whoami", "--json"))["profile"] == "other"


def test_whoami_names_the_account(run):
    assert run("whoami")[1] == b"Anna Ada <anna@example.org>\n"


def test_logout_forgets_the_tokens(run, box, tmp_path):
    assert run("logout")[0] == 0
    assert box.of(LogoutRequest)
    assert Profiles(tmp_path / "config").get("default").tokens is None
    status, _, error = run("whoami")
    assert status == 1
    assert error.count("\n") == 1 and "rookery login anna@example.org --server" in error


def test_an_ended_session_says_how_to_sign_in(run, box):
    box.ended = True
    status, _, error = run("whoami")
    assert status == 1
    assert error.startswith("rookery: the session was ended: sign in again") and error.count("\n") == 1


def test_renewed_tokens_are_kept(run, box, tmp_path):
    profiles = Profiles(tmp_path / "config")
    profiles.save_tokens("default", "anna@example.org", tokens("1", expires_micros=1_000_000))
    assert run("whoami")[0] == 0
    assert profiles.get("default").tokens == tokens("2")
    assert run("whoami")[0] == 0
    assert len(box.of(RefreshRequest)) == 1


def test_a_server_that_is_not_there_is_one_line(run):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{probe.getsockname()[1]}"
    status, out, error = run("login", "a@example.org", "--server", gone, "--password-stdin", stdin="x\n")
    assert (status, out) == (1, b"")
    assert error.startswith(f"rookery: no answer from {gone}") and error.count("\n") == 1


def test_an_address_that_is_none_says_what_to_write(run):
    status, _, error = run("login", "a@example.org", "--server", "nonsense", "--password-stdin", stdin="x\n")
    assert status == 1
    assert "HOST:PORT" in error and error.count("\n") == 1


@pytest.mark.parametrize("words", ["nonsense", "ls", "ls inbox --sort colour", "ls --nonsense", f"mark {ONE_TEXT}"])
def test_wrong_usage_is_status_2_and_one_line(run, words):
    status, out, error = run(*words.split())
    assert (status, out) == (2, b"")
    assert error.startswith("rookery: ") and error.count("\n") == 1 and "--help" in error


def test_help_and_version_are_no_failures(run):
    assert run("--help")[0] == 0
    assert run("ls", "--help")[0] == 0
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith(b"rookery")


def test_a_malformed_id_is_named(run):
    status, _, error = run("show", "xyz")
    assert status == 1
    assert "xyz" in error and error.count("\n") == 1


def test_sessions_are_listed(run):
    assert shown(run("sessions", "list", "--json"))["sessions"][0]["current"] is True
    assert b"laptop (this one)" in run("sessions", "list")[1]


def test_completion_prints_a_script_and_knows_roles(run, monkeypatch, capfdbinary):
    assert b"_ROOKERY_COMPLETE" in run("completion", "bash")[1]
    assert run("completion", "tcsh")[0] == 2
    monkeypatch.setenv("_ROOKERY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "rookery ls in")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        run()
    assert capfdbinary.readouterr().out == b"plain,inbox\n"

"""The real command: a process that serves, stops, is administered, backed up and restored."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rookery.v1 import auth_service_pb2 as auth
from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, mailbox_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.mailbox_pb2_grpc import MailboxServiceStub
from tests.support.server import PASSWORD, Person, Running, ServerProcess, bearer, rookeryd, server_process

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

__all__ = ["server_process"]

Run = Any


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs rookeryd on the test's data folder to its end."""

    def run_it(*arguments: str, stdin: str = "", data: pathlib.Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(rookeryd()), *arguments, "--data", str(data or tmp_path / "data")]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    return run_it


def ok(result: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that succeeded without a complaint."""
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


async def write_note(running: Running, person: Person, subject: str) -> bytes:
    """Creates a note; gives its id."""
    item = item_pb2.Item()
    item.summary.kind = item_pb2.ITEM_KIND_NOTE
    item.summary.subject = subject
    request = item_service_pb2.CreateItemRequest(operation_id=running.ids.new(), item=item)
    return (await ItemServiceStub(running.channel).CreateItem(request, metadata=person.metadata)).item.id


async def notes(running: Running, person: Person) -> list[str]:
    """The subjects of all notes."""
    get = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_NOTES)
    folder = (await FolderServiceStub(running.channel).GetFolder(get, metadata=person.metadata)).folder
    request = item_service_pb2.ListItemsRequest(folder_id=folder.id, page_size=100)
    listed = await ItemServiceStub(running.channel).ListItems(request, metadata=person.metadata)
    return sorted(item.summary.subject for item in listed.items)


async def test_it_serves_and_ends_cleanly_on_a_signal(server_process: ServerProcess) -> None:
    async with server_process.connected() as running:
        health = health_pb2_grpc.HealthStub(running.channel)
        response = await health.Check(health_pb2.HealthCheckRequest())
        assert response.status == health_pb2.HealthCheckResponse.SERVING
        anna = await running.add_person("anna")
        await write_note(running, anna, "kept")
    assert server_process.stop() == 0
    assert not server_process.socket.exists()
    for line in server_process.log().splitlines():
        assert json.loads(line)["event"], line
    server_process.start()
    async with server_process.connected() as running:
        assert await notes(running, anna) == ["kept"]


async def test_the_data_and_the_socket_are_its_user_s_alone(server_process: ServerProcess) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in server_process.folder.iterdir()}
    assert modes["rookery.sock"] == modes["rookery.db"] == 0o600


async def test_a_signal_lets_running_calls_finish_and_refuses_new_ones(server_process: ServerProcess) -> None:
    async with server_process.connected() as running:
        anna = await running.add_person("anna")
        health = health_pb2_grpc.HealthStub(running.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        writes = [asyncio.create_task(write_note(running, anna, str(number))) for number in range(40)]
        await writes[0]
        os.kill(server_process.pid, signal.SIGTERM)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert await asyncio.to_thread(server_process.wait) == 0
    for outcome in outcomes:
        # Calls that came too late are refused by one of these; the client repeats them with the same operation id.
        refused = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        late = isinstance(outcome, grpc.aio.AioRpcError) and outcome.code() in refused
        assert late or isinstance(outcome, bytes)
    server_process.start()
    async with server_process.connected() as running:
        acknowledged = {str(number) for number, outcome in enumerate(outcomes) if isinstance(outcome, bytes)}
        assert acknowledged <= set(await notes(running, anna))


async def test_what_was_acknowledged_survives_being_killed(server_process: ServerProcess) -> None:
    async with server_process.connected() as running:
        anna = await running.add_person("anna")
        for number in range(20):
            await write_note(running, anna, f"{number:02}")
    server_process.kill()
    server_process.start()
    async with server_process.connected() as running:
        assert await notes(running, anna) == [f"{number:02}" for number in range(20)]
        who = await running.auth.WhoAmI(auth.WhoAmIRequest(), metadata=anna.metadata)
        assert who.identity.address == anna.address


def test_a_second_server_on_the_same_folder_is_refused_in_one_line(server_process: ServerProcess, run: Run) -> None:
    result = run("serve", "--listen", "127.0.0.1:0")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("rookeryd: ")
    assert str(server_process.pid) in result.stderr and "Traceback" not in result.stderr


def test_an_address_in_use_is_told_in_one_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.returncode == 1
    assert "is something else listening there?" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "0.0.0.0:0"],
        ["--listen", "nonsense"],
        ["--quota-bytes", "many"],
        ["--tls-cert", "alone.pem"],
        ["--config", "missing.toml"],
        ["--no-such-option"],
    ],
)
def test_wrong_settings_are_wrong_usage_in_one_line(run: Run, arguments: list[str]) -> None:
    result = run("serve", *arguments)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert result.stderr.startswith("rookeryd: ")


def test_accounts_aliases_and_domains_are_administered_without_a_server(run: Run) -> None:
    assert ok(run("domain", "add", "rookery.test")) == "rookery.test is there.\n"
    ok(run("account", "add", "anna@rookery.test", "--name", "Anna", "--quota", "5GiB", "--password-stdin", stdin=f"{PASSWORD}\n"))
    ok(run("account", "add", "room@rookery.test", "--kind", "room", "--no-password"))
    ok(run("account", "set", "anna@rookery.test", "--name", "Anna B.", "--admin"))
    ok(run("alias", "add", "office@rookery.test", "anna@rookery.test"))
    ok(run("account", "disable", "room@rookery.test"))
    accounts = json.loads(ok(run("account", "list", "--json")))
    assert [(one["address"], one["display_name"], one["kind"], one["disabled"]) for one in accounts] == [
        ("anna@rookery.test", "Anna B.", "user", False),
        ("room@rookery.test", "room", "room", True),
    ]
    assert accounts[0]["administrator"] and accounts[0]["quota_bytes"] == 5 << 30
    assert accounts[0]["aliases"] == ["office@rookery.test"]
    assert "Anna B." in ok(run("account", "list"))
    ok(run("account", "enable", "room@rookery.test"))
    aliases = json.loads(ok(run("alias", "list", "anna@rookery.test", "--json")))
    assert [(one["address"], one["account"]) for one in aliases] == [("office@rookery.test", "anna@rookery.test")]
    assert "office@rookery.test" in ok(run("alias", "list"))
    ok(run("alias", "remove", "office@rookery.test"))
    assert json.loads(ok(run("alias", "list", "--json"))) == []
    ok(run("account", "remove", "room@rookery.test", "--yes"))
    domains = json.loads(ok(run("domain", "list", "--json")))
    assert [(one["name"], one["address_count"]) for one in domains] == [("rookery.test", 1)]
    assert "rookery.test" in ok(run("domain", "list"))
    figures = json.loads(ok(run("stats", "--json")))
    assert (figures["account_count"], figures["domain_count"]) == (1, 1)
    assert "Accounts" in ok(run("stats"))


async def test_commands_reach_the_server_that_runs(server_process: ServerProcess, run: Run) -> None:
    ok(await asyncio.to_thread(run, "domain", "add", "rookery.test"))
    added = ["account", "add", "anna@rookery.test", "--password-stdin"]
    ok(await asyncio.to_thread(run, *added, stdin=f"{PASSWORD}\n"))
    async with server_process.connected() as running:
        login = await running.sign_in("anna@rookery.test")
        changed = ["account", "password", "anna@rookery.test", "--password-stdin"]
        ok(await asyncio.to_thread(run, *changed, stdin="another good password\n"))
        metadata = bearer(login.tokens.access_token)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.auth.WhoAmI(auth.WhoAmIRequest(), metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        await running.sign_in("anna@rookery.test", "another good password")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["account", "add", "nonsense", "--no-password"], 2, "is no address"),
        (["account", "add", "anna@elsewhere.test", "--no-password"], 1, "add it first"),
        (["account", "add", "anna@rookery.test", "--password-stdin"], 2, "10 to 1,024 bytes"),
        (["account", "set", "anna@rookery.test"], 2, "say what to change"),
        (["account", "add", "anna@rookery.test", "--quota", "much", "--no-password"], 2, "--quota"),
        (["account", "disable", "nobody@rookery.test"], 1, "no account has the address"),
        (["domain", "remove", "elsewhere.test"], 1, "no domain elsewhere.test"),
        (["db", "backup", "."], 1, "is there already"),
        (["db", "restore", "missing.file"], 2, "missing.file"),
        (["db", "restore"], 2, "name a SOURCE"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(run: Run, arguments: list[str], status: int, said: str) -> None:
    ok(run("db", "upgrade"))
    result = run(*arguments, stdin="short\n")
    assert (result.returncode, result.stdout) == (status, "")
    assert said in result.stderr and len(result.stderr.strip().splitlines()) == 1, result.stderr


async def mailbox(running: Running, person: Person) -> mailbox_pb2.Mailbox:
    response = await MailboxServiceStub(running.channel).GetMailbox(mailbox_pb2.GetMailboxRequest(), metadata=person.metadata)
    return response.mailbox


async def test_a_backup_of_a_running_server_brings_everything_back_with_a_new_epoch(
    server_process: ServerProcess, run: Run, tmp_path: pathlib.Path
) -> None:
    backup = tmp_path / "backup.db"
    async with server_process.connected() as running:
        anna = await running.add_person("anna")
        await write_note(running, anna, "before")
        ok(await asyncio.to_thread(run, "db", "backup", str(backup)))
        await write_note(running, anna, "after")
        before = await mailbox(running, anna)
        refused = await asyncio.to_thread(run, "db", "restore", str(backup))
        assert refused.returncode == 1 and "stop it first" in refused.stderr
        assert "sound" in ok(await asyncio.to_thread(run, "db", "check"))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    server_process.stop()
    ok(run("db", "restore", str(backup)))
    assert "sound" in ok(run("db", "check"))
    server_process.start()
    async with server_process.connected() as running:
        assert await notes(running, anna) == ["before"]
        after = await mailbox(running, anna)
        assert after.epoch != before.epoch and after.revision > before.revision + 100_000
        assert after.oldest_revision == after.revision
        await write_note(running, anna, "new")
        assert await notes(running, anna) == ["before", "new"]


def test_check_tells_what_is_wrong(run: Run, tmp_path: pathlib.Path) -> None:
    ok(run("domain", "add", "rookery.test"))
    ok(run("account", "add", "anna@rookery.test", "--no-password"))
    database = tmp_path / "data" / "rookery.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE folder SET unread_count = 3 WHERE role = 1")
    connection.close()
    result = run("db", "check")
    assert result.returncode == 1 and "anna@rookery.test: folder “Inbox” says" in result.stdout
    damaged = bytearray(database.read_bytes())
    damaged[20_000:40_000] = os.urandom(20_000)
    database.write_bytes(damaged)
    result = run("db", "check")
    assert result.returncode == 1 and "Traceback" not in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell: str) -> None:
    result = subprocess.run([str(rookeryd()), "completion", shell], capture_output=True, text=True, timeout=60, check=True)
    assert "_ROOKERYD_COMPLETE" in result.stdout


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> pathlib.Path:
    """A certificate for localhost; its key is beside it as key.pem."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*command, *names], check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate can be made")
    return certificate


async def test_tls_is_served_where_there_is_a_certificate(tmp_path: pathlib.Path, certificate: pathlib.Path) -> None:
    key = certificate.with_name("key.pem")
    process = ServerProcess(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key))
    process.start()
    try:
        credentials = grpc.ssl_channel_credentials(await asyncio.to_thread(certificate.read_bytes))
        address = f"localhost:{process.address.rpartition(':')[2]}"
        async with grpc.aio.secure_channel(address, credentials) as channel:
            response = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
            assert response.status == health_pb2.HealthCheckResponse.SERVING
        async with grpc.aio.insecure_channel(process.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    finally:
        process.kill()

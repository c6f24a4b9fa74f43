"""The wheel alone is a whole server: installed in an empty environment it makes its database and serves."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import socket
import subprocess
import sys
import venv
import zipfile
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(900)


def run(*command: str | pathlib.Path, cwd: pathlib.Path) -> str:
    """Runs a command far from the checkout; fails the test with what it printed."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where an environment has its programs that holds the locked libraries and the wheel, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=folder)
    run(*pip, "--no-deps", wheel, cwd=folder)
    return python.parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def serving(programs: pathlib.Path, data: pathlib.Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(programs / "rookeryd"), "serve", "--data", str(data), "--listen", f"127.0.0.1:{port}"]
    with (data.parent / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=data.parent, stdout=log, stderr=log, text=True)
        try:
            yield server
        finally:
            server.kill()
            server.wait(timeout=30)


def test_the_wheel_holds_every_package_and_the_contract(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"rookery", "rookery_core", "rookery_server", "rookery_client", "rookery_migrations"}
    protos = {f"rookery/proto/{path.relative_to(ROOT / 'proto')}" for path in (ROOT / "proto" / "rookery").rglob("*.proto")}
    assert protos
    assert protos <= names
    assert any(name.startswith("rookery_migrations/versions/0001") for name in names)


def test_the_installed_wheel_migrates_a_database_and_serves_it(programs: pathlib.Path, tmp_path: pathlib.Path) -> None:
    data = tmp_path / "data"
    run(programs / "rookeryd", "db", "upgrade", "--data", data, cwd=tmp_path)
    port = free_port()
    with serving(programs, data, port) as server, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0, (tmp_path / "server.log").read_text()


def test_both_commands_of_the_wheel_tell_how_they_are_used(programs: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for command in ("rookery", "rookeryd"):
        assert run(programs / command, "--help", cwd=tmp_path).startswith("Usage: ")

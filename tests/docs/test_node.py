"""The example in Node.js, with its dependencies from the registry, against a real demonstration server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.docs.pages import README, ROOT

if TYPE_CHECKING:
    import pathlib

    from tests.docs.conftest import Demo

EXAMPLE = ROOT / "examples" / "node"
UNREACHABLE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|E[45]\d\d")


def lacking(reason: str) -> NoReturn:
    """Skips the test for want of something; with ROOKERY_REQUIRE_NODE=1 it fails."""
    if os.environ.get("ROOKERY_REQUIRE_NODE") == "1":
        pytest.fail(f"{reason}; with ROOKERY_REQUIRE_NODE=1 the example has to run")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The example beside the contract, as in a checkout, with what it needs."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        lacking("Node.js and npm are not installed")
    root = tmp_path_factory.mktemp("checkout")
    (root / "proto").symlink_to(ROOT / "proto", target_is_directory=True)
    folder = root / "examples" / "node"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        lacking("npm does not get the example's packages: its registry does not answer")
    if done.returncode and UNREACHABLE.search(done.stderr):
        lacking(f"npm does not get the example's packages: its registry is not reached\n{done.stderr}")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "rookery.mjs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))


def password() -> str:
    """Anna's, as the README has it."""
    found = re.search(r"node rookery\.mjs \S+ anna@rookery\.example '([^']+)'", README.read_text("utf-8"))
    assert found is not None
    return found[1]


def test_the_example_signs_in_reads_searches_and_writes_once(demo: Demo, installed: pathlib.Path) -> None:
    done = run(installed, demo.address, "anna@rookery.example", password())
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"signed in as .+ <anna@rookery\.example>", lines[0])
    assert any(re.fullmatch(r"Inbox: \d+ items, \d+ unread", line) for line in lines)
    assert any(re.fullmatch(r"with attachments: .+", line) for line in lines)
    assert re.fullmatch(r"made the note [0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", lines[-1])


def test_the_example_tells_in_one_line_what_the_server_refused(demo: Demo, installed: pathlib.Path) -> None:
    done = run(installed, demo.address, "anna@rookery.example", "not her password")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "rookery: address or password is wrong\n"


def test_what_is_missing_is_a_failure_where_the_example_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_REQUIRE_NODE", "1")
    with pytest.raises(pytest.fail.Exception, match=r"npm is not installed; .*ROOKERY_REQUIRE_NODE"):
        lacking("npm is not installed")
    monkeypatch.delenv("ROOKERY_REQUIRE_NODE")
    with pytest.raises(pytest.skip.Exception, match="npm is not installed"):
        lacking("npm is not installed")


def test_the_versions_of_its_dependencies_are_pinned() -> None:
    wanted = json.loads((EXAMPLE / "package.json").read_text("utf-8"))["dependencies"]
    assert wanted
    assert [version for version in wanted.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []

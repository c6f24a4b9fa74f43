"""Mail with the command `rookery` and a real server: to a colleague and a stranger, back, onward, not after all, and offline."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rookery_client.cli.main import main
from rookery_client.cli.profiles import Profile, Profiles
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    Run = Callable[..., tuple[bytes, str]]

PICTURE = bytes(range(256)) * 1200
LIST = {
    "summary": {"kind": "distribution_list", "subject": "Book Club", "distribution_list": {}},
    "content": {"distribution_list": {"members": [{"person": {"address": f"{name}@rookery.test"}} for name in ("ben", "anna")]}},
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with two people, whose profiles are in the folder `config` beside its data."""
    folder = tmp_path_factory.mktemp("mail")
    process = ServerProcess(folder / "data")
    process.start()

    async def prepare() -> None:
        async with process.connected() as server:
            for name, profile in (("anna", "default"), ("ben", "ben")):
                person = await server.add_person(name, display_name=name.title())
                signed_in = Profile(server=process.address, address=person.address, tokens=person.login.tokens)
                Profiles(folder / "config").put(profile, signed_in)

    try:
        asyncio.run(prepare())
        yield process
    finally:
        process.kill()


@pytest.fixture
def run(
    process: ServerProcess, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Runs the command as anna, or with `--profile ben` as ben; gives stdout and stderr."""
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(process.folder.parent / "config"))
    monkeypatch.chdir(tmp_path)
    for name in ("ROOKERY_PROFILE", "ROOKERY_OFFLINE", "ROOKERY_REPLICA"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv: str, stdin: str = "", expect: int = 0) -> tuple[bytes, str]:
        capfdbinary.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(argv)
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        assert status == expect, captured.err.decode()
        return captured.out, captured.err.decode()

    return run


def named(run: Run, folder: str, subject: str, *profile: str) -> list[Any]:
    """The messages of a subject in a folder."""
    found = json.loads(run(*profile, "ls", folder, "--json")[0])["items"]
    return [item for item in found if item["summary"]["subject"] == subject]


def arrived(run: Run, subject: str, *profile: str) -> Any:
    """The message of a subject in the inbox, as soon as it is there."""
    end = time.monotonic() + 30
    while not (found := named(run, "inbox", subject, *profile)):
        assert time.monotonic() < end, subject
        time.sleep(0.1)
    return found[0]


def test_a_conversation_with_a_colleague_and_a_stranger(run: Run, process: ServerProcess, tmp_path: pathlib.Path) -> None:
    ben = ("--profile", "ben")
    (tmp_path / "otter.png").write_bytes(PICTURE)
    (tmp_path / "page.html").write_text('<p>Look: <img src="cid:otter.png"></p>')
    words = ("--html", "page.html", "--inline", "otter.png", "--attach", "otter.png")
    to = ("--to", "Ben <ben@rookery.test>", "--cc", "far@other.test", "--bcc", "hidden@other.test")
    out, _ = run("send", *to, "--subject", "Otters", *words, "--wait", "--json", stdin="Look!\n")
    sent = json.loads(out)
    assert [each["state"] for each in sent["submission"]["recipients"]] == ["delivered", "relayed", "relayed"]
    [*captured] = (process.folder / "captured").iterdir()
    data = b"".join(each.read_bytes() for each in captured)
    assert b"far@other.test" in data and b"Bcc" not in data

    came = arrived(run, "Otters", *ben)
    run(*ben, "reply", came["id"], "--all", "--wait", stdin="Nice!\n")
    answer = arrived(run, "Re: Otters")
    [original] = named(run, "sent", "Otters")
    assert answer["summary"]["conversation_id"] == original["summary"]["conversation_id"]
    shown = run("show", answer["id"])[0].decode()
    assert "Nice!\n" in shown and "> Look!" in shown and "far@other.test" in shown

    run(*ben, "forward", came["id"], "--to", "anna@rookery.test", "--wait", stdin="FYI\n")
    onward = json.loads(run("show", arrived(run, "Fwd: Otters")["id"], "--json")[0])["item"]
    assert [each["name"] for each in onward["content"]["attachments"]] == ["otter.png", "otter.png"]
    for number in (1, 2):
        assert run("save-attachment", onward["id"], str(number), "--output", "-")[0] == PICTURE
    run(*ben, "forward", came["id"], "--to", "anna@rookery.test", "--as-attachment", "--subject", "Whole", "--wait")
    whole = arrived(run, "Whole")
    assert run("save-attachment", whole["id"], "1", "--output", "-")[0] == run(*ben, "raw", came["id"])[0]
    assert "delivered" in run("show", original["id"])[0].decode()


def test_a_message_is_called_back_and_another_one_comes_back(run: Run) -> None:
    out, error = run("send", "--to", "ben@rookery.test", "--subject", "Too early", "--undo", "60", stdin="x")
    submission = out.decode().strip()
    assert error == f"Leaves in 60 seconds. Undo: rookery unsend {submission}\n"
    assert "Too early" in run("outbox")[0].decode() and len(named(run, "outbox", "Too early")) == 1
    run("unsend", submission)
    [draft] = named(run, "drafts", "Too early")
    assert named(run, "outbox", "Too early") == []
    assert run("send", "--item", draft["id"], "--wait")[1] == "Sent: 1 delivered here.\n"
    assert arrived(run, "Too early", "--profile", "ben")["id"] != draft["id"]

    out, error = run("send", "--to", "nobody@rookery.test", "--subject", "Hello?", "--wait", expect=1)
    assert error.startswith("Not sent: 1 failed")
    report = run("show", arrived(run, "Not delivered: Hello?")["id"])[0].decode()
    assert "nobody@rookery.test" in report and f"rookery outbox show {out.decode().strip()}" in report
    run("create", stdin=json.dumps(LIST))
    assert run("send", "--to", "book club", "--subject", "Club", "--wait")[1] == "Sent: 2 delivered here.\n"


def test_what_is_written_offline_leaves_with_the_next_sync(run: Run, tmp_path: pathlib.Path) -> None:
    (tmp_path / "otter.png").write_bytes(PICTURE)
    run("send", "--to", "anna@rookery.test", "--subject", "Beavers", "--attach", "otter.png", "--wait")
    came = arrived(run, "Beavers")
    run("sync")
    out, error = run("--offline", "forward", came["id"], "--to", "ben@rookery.test", stdin="FYI\n")
    first = out.decode().strip()
    assert f"Leaves with the next sync. Undo: rookery --offline unsend {first}" in error
    second = run("--offline", "send", "--to", "ben@rookery.test", "--subject", "Not this one", stdin="x")[0].decode().strip()
    assert "Not this one" in run("--offline", "outbox")[0].decode()
    run("--offline", "unsend", second)
    assert len(named(run, "drafts", "Not this one", "--offline")) == 1
    run("sync")
    onward = arrived(run, "Fwd: Beavers", "--profile", "ben")
    assert run("--profile", "ben", "save-attachment", onward["id"], "1", "--output", "-")[0] == PICTURE
    shown = json.loads(run("outbox", "show", first, "--json")[0])["submission"]
    assert shown["state"] == "final" and shown["subject"] == "Fwd: Beavers"
    assert named(run, "inbox", "Not this one", "--profile", "ben") == []

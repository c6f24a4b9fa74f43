"""``rookeryd queue``, beside a server that runs and without one."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import submission_pb2 as records
from rookery_core.rules.ids import text_of
from tests.api.test_mail import Mail
from tests.gateway.postfix import free_port
from tests.support.server import ServerProcess, rookeryd

if TYPE_CHECKING:
    import pathlib


def queue(data: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(rookeryd()), "queue", *arguments, "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("beside_a_server", [True, False])
async def test_the_queue_is_listed_shown_tried_and_given_up(tmp_path: pathlib.Path, beside_a_server: bool) -> None:
    data = tmp_path / "data"
    process = ServerProcess(data, "--mail-delivery", "smarthost", "--smarthost", f"smtp://127.0.0.1:{free_port()}")
    process.start()
    try:
        async with process.connected() as running:
            anna = Mail(running, await running.add_person("anna"))
            sent = await anna.send("a@one.test", "b@two.test")
            await anna.arrives(sent, records.DELIVERY_STATE_DEFERRED, records.DELIVERY_STATE_DEFERRED)
        if not beside_a_server:
            process.stop()
        message = text_of(sent.id)
        listed: list[dict[str, Any]] = json.loads(queue(data, "list", "--json").stdout)
        assert sorted(one["to"] for one in listed) == ["a@one.test", "b@two.test"]
        assert {(one["message"], one["from"], one["state"]) for one in listed} == {(message, "anna@rookery.test", "deferred")}
        assert "a@one.test" in queue(data, "list", "--domain", "one.test").stdout
        assert "b@two.test" not in queue(data, "list", "--domain", "one.test").stdout
        shown = queue(data, "show", message)
        assert shown.returncode == 0 and shown.stderr == "" and shown.stdout.count("Last reply") == 2
        assert "2 recipients are tried now" in queue(data, "retry", message).stdout + queue(data, "retry").stdout
        if not beside_a_server:
            assert queue(data, "delete", message).stdout == "2 recipients are given up.\n"
            assert json.loads(queue(data, "list", "--json").stdout) == []
            missing = queue(data, "show", message)
            assert missing.returncode == 1 and "no message" in missing.stderr
    finally:
        process.kill()

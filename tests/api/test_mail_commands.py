"""``rookeryd dkim`` and ``rookeryd queue`` at a server that runs: what administrators see and do."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest
import structlog
from click.testing import CliRunner

from rookery.v1 import dkim_service_pb2 as messages
from rookery.v1 import submission_pb2 as records
from rookery_core.rules.ids import text_of
from rookery_server.cli import logs
from rookery_server.cli.dkim import objection, zone_line
from rookery_server.cli.main import rookeryd
from rookery_server.services.signing.dkim_keys import Algorithm, dns_record, generate
from tests.api.test_mail import Mail
from tests.gateway.dns_stub import DnsStub
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

DEFERRED, RELAYED = records.DELIVERY_STATE_DEFERRED, records.DELIVERY_STATE_RELAYED


@pytest.fixture(autouse=True)
def _logs_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands and server run in this process: what the server logs is not what a command prints."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    with structlog.testing.capture_logs():
        yield


async def run(data: pathlib.Path, *arguments: str) -> str:
    """What a command prints that succeeds."""
    result = await asyncio.to_thread(CliRunner().invoke, rookeryd, [*arguments, "--data", str(data)])
    assert result.exit_code == 0, result.output
    return result.output


async def test_a_key_is_made_shown_activated_and_deleted(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        await running.add_domain("rookery.test")
        made = await run(tmp_path, "dkim", "create", "rookery.test", "--selector", "mail")
        assert "mail._domainkey.rookery.test. IN TXT ( " in made
        assert made.splitlines()[-1] == "Once it is there: rookeryd dkim activate rookery.test mail"
        made = json.loads(await run(tmp_path, "dkim", "create", "rookery.test", "--algorithm", "ed25519", "--json"))
        assert made["active"] is False and re.fullmatch(r"e\d{8}", made["selector"])
        assert "The key mail" in await run(tmp_path, "dkim", "deactivate", "rookery.test", "mail")
        activated = await run(tmp_path, "dkim", "activate", "rookery.test", "mail")
        assert activated.startswith("warning: ") and "is signed with the key mail" in activated
        listed = json.loads(await run(tmp_path, "dkim", "list", "--json"))
        assert [(key["selector"], key["algorithm"], key["active"]) for key in listed] == [
            (made["selector"], "ed25519", False),
            ("mail", "rsa", True),
        ]
        assert not re.search("private", json.dumps(listed), re.IGNORECASE)
        assert "ed25519" in await run(tmp_path, "dkim", "list", "rookery.test")
        shown = await run(tmp_path, "dkim", "show", "rookery.test", "MAIL")
        assert "Signs      yes" in shown and "mail._domainkey.rookery.test. IN TXT ( " in shown
        await run(tmp_path, "dkim", "delete", "rookery.test", "mail")
        assert len(json.loads(await run(tmp_path, "dkim", "list", "--json"))) == 1


async def test_a_record_that_is_missing_or_another_is_told_of(tmp_path: pathlib.Path) -> None:
    del tmp_path
    record = dns_record("rookery.test", generate("mail", Algorithm.RSA))
    key = messages.DkimKey(domain="rookery.test", selector="mail", record_name=record.name, record_value=record.text)
    other = dns_record("rookery.test", generate("mail", Algorithm.ED25519)).text
    strings = re.findall(r'"([^"]*)"', zone_line(key))
    assert max(map(len, strings)) <= 255 and "".join(strings) == record.text
    async with DnsStub().running() as stub:
        assert "is not in the DNS yet" in await objection(stub.resolver(), key)
        stub.table[record.name, "TXT"] = [f'"{other}"']
        assert "is not this key" in await objection(stub.resolver(), key)
        stub.table[record.name, "TXT"] = [" ".join(f'"{string}"' for string in strings)]
        assert await objection(stub.resolver(), key) == ""
        stub.failing.add((record.name, "TXT"))
        assert "is not known" in await objection(stub.resolver(), key)


async def test_mail_is_held_and_released_and_its_destinations_are_listed(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        anna = Mail(running, await running.add_person("anna"))
        sent = await anna.send("a@one.test", "anna@rookery.test")
        await anna.arrives(sent, RELAYED, records.DELIVERY_STATE_DELIVERED)
        later = await anna.send("a@one.test", "b@two.test", undo_seconds=600)
        message = text_of(later.id)
        assert await run(tmp_path, "queue", "hold", message) == "2 recipients are held now.\n"
        assert {one["state"] for one in json.loads(await run(tmp_path, "queue", "list", "--json"))} == {"held"}
        captured, here = json.loads(await run(tmp_path, "queue", "destinations", "--json"))
        assert (captured["name"], captured["waiting"], captured["delivered"]) == ("captured", 0, 1)
        assert (here["name"], here["delivered"], here["running"]) == ("here", 1, 0)
        assert await run(tmp_path, "queue", "release", "--domain", "two.test") == "2 recipients are released.\n"
        captured, here = json.loads(await run(tmp_path, "queue", "destinations", "--json"))
        assert captured["waiting"] == 2 and captured["oldest"].startswith("20")
        assert "captured" in await run(tmp_path, "queue", "destinations", "--limit", "1")
        missing = await asyncio.to_thread(
            CliRunner().invoke, rookeryd, ["queue", "hold", message, "--domain", "three.test", "--data", str(tmp_path)]
        )
        assert missing.exit_code == 1 and "no message" in missing.output


async def test_an_account_is_not_removed_while_its_mail_is_on_its_way(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        anna = Mail(running, await running.add_person("anna"))
        await anna.send("a@one.test", undo_seconds=600)
        arguments = ["account", "remove", "anna@rookery.test", "--yes", "--data", str(tmp_path)]
        refused = await asyncio.to_thread(CliRunner().invoke, rookeryd, arguments)
        assert refused.exit_code == 1 and refused.output.count("\n") == 1
        assert "still on its way to 1 of its recipients" in refused.output
        gone = await run(tmp_path, "account", "remove", "anna@rookery.test", "--yes", "--discard-mail")
        assert gone == "anna@rookery.test is gone, with 1 items.\n"
        assert json.loads(await run(tmp_path, "queue", "list", "--json")) == []


@pytest.mark.parametrize("arguments", [("dkim", "show", "rookery.test", "mail"), ("dkim", "create", "elsewhere.test")])
async def test_what_is_not_there_is_told_in_one_line(tmp_path: pathlib.Path, arguments: tuple[str, ...]) -> None:
    async with serving(settings_of(tmp_path)) as running:
        await running.add_domain("rookery.test")
        result = await asyncio.to_thread(CliRunner().invoke, rookeryd, [*arguments, "--data", str(tmp_path)])
    assert result.exit_code == 1 and result.output.count("\n") == 1

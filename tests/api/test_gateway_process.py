"""The gateway in processes of its own: they send what servers leave to them, and take over from each other."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dkim
import pytest

from rookery.v1 import dkim_service_pb2, queue_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1.dkim_service_pb2_grpc import DkimServiceStub
from rookery.v1.queue_service_pb2_grpc import QueueServiceStub
from rookery_core.errors import InvalidArgument
from rookery_server.bootstrap import Edges, Gateway
from rookery_server.cli.gateway import gateway as gateway_command
from rookery_server.config import SETTINGS
from tests.api.test_mail import Mail
from tests.gateway.postfix import running_sink
from tests.gateway.scripted_server import SILENCE, ScriptedServer
from tests.support.mail import until
from tests.support.server import rookeryd, serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Iterator

    from tests.support.server import Running

QUEUED, RELAYED, DELIVERED = records.DELIVERY_STATE_QUEUED, records.DELIVERY_STATE_RELAYED, records.DELIVERY_STATE_DELIVERED
BEFORE_THE_NEXT_LOOK = 25.0
"""Seconds: gateways look into the queue every thirty, unless somebody rings."""

SHORT_LEASES = """
import asyncio, sys
from rookery_server.bootstrap import Edges, Gateway
from tests.support.server import settings_of

async def main(folder, url, smarthost):
    settings = settings_of(folder, database_url=url, mail_delivery="smarthost", smarthost=smarthost)
    await Gateway(settings, Edges(lease_seconds=1.0)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def office(folder: pathlib.Path, url: str) -> AsyncIterator[tuple[Running, Mail, Mail]]:
    """A server that leaves mail for other servers to gateways, and two people who work there."""
    async with serving(settings_of(folder, database_url=url, gateway="false")) as running:
        yield running, Mail(running, await running.add_person("anna")), Mail(running, await running.add_person("ben"))


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert "ready" in running.stdout.readline()
            yield running
        finally:
            running.kill()


@contextlib.asynccontextmanager
async def gateway(folder: pathlib.Path, url: str, port: int) -> AsyncIterator[None]:
    """A gateway in this process, with short leases."""
    settings = settings_of(folder, database_url=url, mail_delivery="smarthost", smarthost=f"smtp://127.0.0.1:{port}")
    running = Gateway(settings, Edges(lease_seconds=1.0))
    await running.start()
    try:
        yield
    finally:
        await running.stop(0)


async def signing_key(running: Running) -> dkim_service_pb2.DkimKey:
    service: Any = DkimServiceStub(running.machine)
    create = dkim_service_pb2.CreateDkimKeyRequest(operation_id=running.ids.new(), domain="rookery.test")
    key: dkim_service_pb2.DkimKey = (await service.CreateDkimKey(create)).key
    activate = dkim_service_pb2.SetDkimKeyActiveRequest(
        operation_id=running.ids.new(), domain=key.domain, selector=key.selector, active=True
    )
    await service.SetDkimKeyActive(activate)
    return key


@pytest.mark.postgresql
async def test_a_gateway_sends_at_once_what_servers_leave_to_it_and_signs_it(tmp_path: pathlib.Path, postgresql_url: str) -> None:
    async with office(tmp_path / "server", postgresql_url) as (running, anna, ben):
        key = await signing_key(running)
        sent = await anna.send("ben@rookery.test", "a@one.test")
        await anna.arrives(sent, DELIVERED, QUEUED)
        with running_sink() as sink:
            where = ("--data", str(tmp_path / "gateway"), "--database-url", postgresql_url)
            how = ("--mail-delivery", "smarthost", "--smarthost", f"smtp://127.0.0.1:{sink.port}")
            with process(str(rookeryd()), "gateway", *where, *how) as gateway_process:
                await anna.arrives(sent, DELIVERED, RELAYED)
                async with asyncio.timeout(BEFORE_THE_NEXT_LOOK):
                    await ben.arrives(await ben.send("b@two.test"), RELAYED)
                gateway_process.terminate()
                assert await asyncio.to_thread(gateway_process.wait, 30) == 0
            messages = sink.messages()
        assert len(messages) == 2
        for message in messages:
            signed = message[message.index(b"DKIM-Signature:") :].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            assert dkim.verify(signed, dnsfunc=lambda name, timeout=5: key.record_value.encode())


@pytest.mark.postgresql
async def test_what_a_killed_gateway_had_taken_on_another_one_sends(tmp_path: pathlib.Path, postgresql_url: str) -> None:
    async with office(tmp_path / "server", postgresql_url) as (running, anna, _):
        queue: Any = QueueServiceStub(running.machine)

        async def is_leased() -> bool:
            listed = await queue.ListQueue(queue_service_pb2.ListQueueRequest())
            return [one.is_leased for one in listed.recipients] == [True]

        async with ScriptedServer({"greeting": SILENCE}).running() as silent:
            smarthost = f"smtp://127.0.0.1:{silent.port}"
            with process(sys.executable, "-c", SHORT_LEASES, str(tmp_path), postgresql_url, smarthost) as first:
                sent = await anna.send("a@one.test")
                await until(is_leased)
                first.kill()
        destinations = (await queue.ListDestinations(queue_service_pb2.ListDestinationsRequest())).destinations
        assert [one.name for one in destinations] == ["one.test"], "the server does not know the gateways' ways"
        with running_sink() as sink:
            async with gateway(tmp_path, postgresql_url, sink.port):
                await anna.arrives(sent, RELAYED)
            assert len(sink.messages()) == 1


@pytest.mark.postgresql
async def test_several_gateways_share_the_queue(tmp_path: pathlib.Path, postgresql_url: str) -> None:
    async with office(tmp_path / "server", postgresql_url) as (_, anna, _):
        with running_sink() as sink:
            async with gateway(tmp_path, postgresql_url, sink.port), gateway(tmp_path, postgresql_url, sink.port):
                sent = [await anna.send(f"a@{number}.test", f"b@{number}.test") for number in range(12)]
                for each in sent:
                    await anna.arrives(each, RELAYED, RELAYED)
            # Two gateways may share a message's recipients between them; nobody gets it twice.
            named = [line for each in sink.messages() for line in each.split(b"\n") if line.startswith(b"X-Rcpt-Args: <")]
            expected = [f"X-Rcpt-Args: <{name}@{number}.test>".encode() for number in range(12) for name in "ab"]
            assert sorted(named) == sorted(expected)


def test_a_gateway_takes_every_setting_of_mail() -> None:
    flags = {parameter.name for parameter in gateway_command.params}
    assert {setting.name for setting in SETTINGS if setting.name.startswith("mail_")} <= flags


async def test_a_sqlite_database_is_the_servers_alone(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidArgument, match="PostgreSQL"):
        settings_of(tmp_path, gateway="false")
    with pytest.raises(InvalidArgument, match="postgresql://"):
        await Gateway(settings_of(tmp_path)).start()

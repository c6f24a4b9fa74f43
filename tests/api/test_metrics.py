"""What a server tells Prometheus."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rookery.v1 import submission_pb2 as records
from rookery_core.errors import Unavailable
from tests.api.test_mail import Mail
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def asked(address: str) -> Samples:
    """The samples by name and labels, as Prometheus reads them."""

    def fetch() -> str:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as response:
            text: str = response.read().decode()
            return text

    families = text_string_to_metric_families(await asyncio.to_thread(fetch))
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def label(name: str, value: str) -> frozenset[tuple[str, str]]:
    return frozenset({(name, value)})


async def test_deliveries_the_queue_calls_and_the_process_are_told(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path, metrics="127.0.0.1:0", lmtp="127.0.0.1:0")) as running:
        assert running.server is not None
        address = running.server.metrics_address
        anna = Mail(running, await running.add_person("anna"))
        sent = await anna.send("a@one.test", "b@two.test", "anna@rookery.test")
        await anna.arrives(sent, *[records.DELIVERY_STATE_RELAYED] * 2, records.DELIVERY_STATE_DELIVERED)
        first = await asked(address)
        captured, here = label("destination", "captured"), label("destination", "here")
        assert first["rookery_mail_attempts_total", label("destination", "other")] == 3, "names begin with the first question"
        await anna.send("a@one.test", undo_seconds=600)
        running.clock.advance(seconds=30)
        sent = await anna.send("a@one.test", "b@one.test", "c@two.test", "anna@rookery.test")
        await anna.arrives(sent, *[records.DELIVERY_STATE_RELAYED] * 3, records.DELIVERY_STATE_DELIVERED)
        second = await asked(address)
    assert (second["rookery_mail_attempts_total", captured], second["rookery_mail_delivered_total", captured]) == (2, 3)
    assert second["rookery_mail_delivered_total", here] == 1 and second["rookery_mail_bytes_total", here] > 100
    assert second["rookery_mail_delivery_seconds_count", captured] == 2
    assert second["rookery_mail_delivery_seconds_bucket", captured | label("le", "+Inf")] == 2
    assert second["rookery_mail_running_limit", captured] >= 5 and second["rookery_mail_paused", captured] == 0
    assert second["rookery_queue_recipients", captured] == 1
    assert second["rookery_queue_oldest_seconds", captured] == 0, "its time has not begun"
    assert second["rookery_listener_connections_total", label("listener", "lmtp")] == 0
    call = label("method", "rookery.v1.SubmissionService/Submit")
    assert second["rookery_calls_total", call | label("status", "OK")] == 3
    assert second["rookery_call_seconds_total", call] > 0
    assert second["process_resident_memory_bytes", frozenset()] > 1 << 20
    with pytest.raises(OSError, match="refused"):
        await asked(address)


async def test_metrics_on_an_address_in_use_are_refused_in_one_line(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}") as caught:
            async with serving(settings_of(tmp_path, metrics=f"127.0.0.1:{port}")):
                pass
    assert caught.value.reason == "ADDRESS_IN_USE"

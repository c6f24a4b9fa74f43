"""What every call has around it: decoding, limits, errors, request ids, logs, health, reflection, shutdown."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from rookery.v1 import (
    admin_service_pb2,
    auth_service_pb2,
    content_service_pb2,
    folder_pb2,
    item_service_pb2,
    mailbox_pb2,
    search_service_pb2,
)
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules.ids import RandomIds
from rookery_server.api import calls as calls_module
from rookery_server.api import listening
from rookery_server.api.call_counts import CallCounts
from rookery_server.api.calls import Calls
from rookery_server.api.context import Call, peer_host
from rookery_server.api.registry import PUBLIC, method_name, register
from rookery_server.services.caller import Caller
from tests.support.fakes import FakeClock
from tests.support.server import PASSWORD, Running, bearer, untyped

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

SERVICES = [
    service
    for module in (
        admin_service_pb2,
        auth_service_pb2,
        content_service_pb2,
        folder_pb2,
        item_service_pb2,
        mailbox_pb2,
        search_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = [method for service in SERVICES for method in service.methods]

WHO = "/rookery.v1.AuthService/WhoAmI"
LOGIN = "/rookery.v1.AuthService/Login"


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The details that came with an error."""
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert isinstance(packed, bytes)
    return status_pb2.Status.FromString(packed)


async def raw(server: Running, method: str, request: bytes, **options: Any) -> grpc.aio.AioRpcError:
    """The error that a call with these bytes ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await untyped(server.channel).unary_unary(method)(request, **options)
    return caught.value


async def failure(server: Running, method: Any, metadata: Any = ()) -> grpc.aio.AioRpcError:
    """The error that a call of any kind ends with, made with one empty request."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await attempt(untyped(server.channel), path, method, metadata)
    return caught.value


async def attempt(channel: Any, path: str, method: Any, metadata: Any) -> None:
    """Makes a call of any kind with one empty request, to its end."""
    if method.client_streaming and method.server_streaming:
        async for _ in channel.stream_stream(path)(iter([b""]), metadata=metadata):
            pass
    elif method.client_streaming:
        await channel.stream_unary(path)(iter([b""]), metadata=metadata)
    elif method.server_streaming:
        async for _ in channel.unary_stream(path)(b"", metadata=metadata):
            pass
    else:
        await channel.unary_unary(path)(b"", metadata=metadata)


async def test_every_call_but_signing_in_wants_a_token(server: Running) -> None:
    guarded = [method for method in METHODS if method.full_name not in PUBLIC]
    assert len(guarded) == len(METHODS) - 2
    for method in guarded:
        error = await failure(server, method)
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, method.full_name
        info = error_details_pb2.ErrorInfo()
        assert status_of(error).details[0].Unpack(info)
        assert (info.reason, info.domain) == ("TOKEN_MISSING", "rookery"), method.full_name


async def test_nobody_but_administrators_may_call_the_admin_service(server: Running) -> None:
    anna = await server.add_person("anna")
    boss = await server.add_person("boss", administrator=True)
    for method in admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"].methods:
        error = await failure(server, method, anna.metadata)
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED, method.full_name
    listed = await untyped(server.channel).unary_unary("/rookery.v1.AdminService/ListAccounts")(b"", metadata=boss.metadata)
    assert len(admin_service_pb2.ListAccountsResponse.FromString(listed).accounts) == 2


async def test_bytes_that_are_no_request_get_a_precise_refusal(server: Running) -> None:
    for broken in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):  # a cut field, and an address that is not UTF-8
        error = await raw(server, LOGIN, broken)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "LoginRequest" in (error.details() or "")


async def test_a_field_that_is_wrong_is_named_in_the_details(server: Running) -> None:
    anna = await server.add_person("anna")
    request = auth_service_pb2.ChangePasswordRequest(old_password=PASSWORD, new_password="x", operation_id=server.ids.new())
    error = await raw(server, "/rookery.v1.AuthService/ChangePassword", request.SerializeToString(), metadata=anna.metadata)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = status_of(error)
    assert status.details[0].Unpack(info) and status.details[1].Unpack(bad)
    assert info.reason == "PASSWORD_WEAK"
    assert [violation.field for violation in bad.field_violations] == ["new_password"]
    assert status.message == error.details()


async def test_a_request_beyond_the_limit_is_refused(server: Running) -> None:
    error = await raw(server, LOGIN, b"\x0a" + bytes(listening.RECEIVE_BYTES))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_call_is_unimplemented(server: Running) -> None:
    assert (await raw(server, "/rookery.v1.AuthService/Nothing", b"")).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_the_client_s_request_id_comes_back_and_one_is_made_if_there_is_none(server: Running) -> None:
    anna = await server.add_person("anna")
    call = server.auth.WhoAmI(auth_service_pb2.WhoAmIRequest(), metadata=(*anna.metadata, ("x-request-id", "my-own")))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "my-own"
    call = server.auth.WhoAmI(auth_service_pb2.WhoAmIRequest(), metadata=anna.metadata)
    await call
    assert len(str(dict(await call.trailing_metadata())["x-request-id"])) == 32
    error = await raw(server, WHO, b"", metadata=(("x-request-id", "of-a-failure"),))
    assert dict(error.trailing_metadata())["x-request-id"] == "of-a-failure"


async def test_each_call_is_one_line_in_the_log_and_no_secret_is_in_it(server: Running) -> None:
    anna = await server.add_person("anna")
    with structlog.testing.capture_logs() as lines:
        await server.sign_in(anna.address)
        await server.auth.WhoAmI(auth_service_pb2.WhoAmIRequest(), metadata=anna.metadata)
        await raw(server, WHO, b"", metadata=bearer("a-bad-token"))
    shown = [(line["method"], line["status"], line.get("reason")) for line in lines if line["event"] == "call"]
    assert shown == [
        ("rookery.v1.AuthService/Login", "OK", None),
        ("rookery.v1.AuthService/WhoAmI", "OK", None),
        ("rookery.v1.AuthService/WhoAmI", "Unauthenticated", "TOKEN_INVALID"),
    ]
    assert lines[1]["account"] and lines[1]["peer"] == "127.0.0.1" and lines[1]["sent"] > 0 and lines[1]["ms"] >= 0
    text = repr(lines)
    for secret in (PASSWORD, anna.address, "a-bad-token", anna.login.tokens.access_token):
        assert secret not in text


async def test_health_is_told_for_the_server_and_for_each_service(server: Running) -> None:
    health = health_pb2_grpc.HealthStub(server.channel)
    for name in ("", *(service.full_name for service in SERVICES)):
        response = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert response.status == health_pb2.HealthCheckResponse.SERVING, name


async def test_reflection_lists_the_services_and_knows_their_files(server: Running) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="rookery.v1.AuthService"),
    ]
    listed, found = [response async for response in reflection.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in listed.list_services_response.service}
    assert {service.full_name for service in SERVICES} <= names
    assert found.file_descriptor_response.file_descriptor_proto


def test_rpc_names_become_method_names() -> None:
    assert [method_name(name) for name in ("Login", "WhoAmI", "BatchGetItems", "Import")] == [
        "login",
        "who_am_i",
        "batch_get_items",
        "import_",
    ]


def test_a_servicer_that_lacks_a_method_is_refused_at_the_start() -> None:
    service = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"]

    class Nothing:
        pass

    with pytest.raises(TypeError, match="Nothing has no method login"):
        register(None, None, service, Nothing())  # type: ignore[arg-type]


def test_the_host_of_a_peer_is_read_from_grpc_s_names() -> None:
    assert peer_host("ipv4:10.0.0.1:5000") == "10.0.0.1"
    assert peer_host("ipv6:%5B2001:db8::1%5D:5000") == "2001:db8::1"
    assert peer_host("unix:") == peer_host("unix:/tmp/x") == "unix"


def test_plain_text_beyond_this_machine_has_to_be_asked_for(tmp_path: pathlib.Path) -> None:
    for host in ("0.0.0.0", "[::]", "192.0.2.1", "mail.example"):
        with pytest.raises(InvalidArgument, match="--insecure-plaintext"):
            listening.bind(None, f"{host}:0", tls_cert=None, tls_key=None, insecure_plaintext=False)  # type: ignore[arg-type]
    assert listening.is_loopback("127.0.0.1") and listening.is_loopback("[::1]") and listening.is_loopback("localhost")


class Odd:
    """A servicer that behaves as the test says."""

    def __init__(self, behave: Callable[[Any, Call], Any]) -> None:
        self._behave = behave
        for method in mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"].methods:
            setattr(self, method_name(method.name), self._answer)

    async def _answer(self, request: Any, call: Call) -> Any:
        return await self._behave(request, call)


class Everybody:
    """Knows everybody."""

    async def authenticate(self, access_token: str) -> Caller:
        return Caller(b"a" * 16, b"s" * 16, administrator=False)

    async def confirm(self, caller: Caller) -> None:
        """Everybody's session stands."""


@pytest.fixture
async def odd() -> AsyncIterator[Callable[[Callable[[Any, Call], Any]], Any]]:
    """Starts a server with one odd service; gives a way to call it."""
    started: list[Any] = []

    async def start(behave: Callable[[Any, Call], Any]) -> Callable[..., Any]:
        server = listening.create_server(reuse_port=False)
        register(
            server,
            Calls(Everybody(), RandomIds(FakeClock()), CallCounts()),
            mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"],
            Odd(behave),
        )
        address = listening.bind(server, "127.0.0.1:0", tls_cert=None, tls_key=None, insecure_plaintext=False)
        await server.start()
        channel = untyped(grpc.aio.insecure_channel(address))
        started.extend([server.stop(None), channel.close()])
        call = channel.unary_unary("/rookery.v1.MailboxService/GetMailbox")
        return lambda **options: call(b"", metadata=bearer("x"), **options)

    yield start
    for closing in reversed(started):
        await closing


async def test_an_unexpected_exception_tells_the_client_nothing_but_a_request_id(odd: Any) -> None:
    async def behave(request: Any, call: Call) -> bytes:
        raise ZeroDivisionError("a secret of the server's")

    call = await odd(behave)
    with structlog.testing.capture_logs() as lines, pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    request_id = dict(caught.value.trailing_metadata())["x-request-id"]
    assert str(request_id) in (caught.value.details() or "")
    assert "secret" not in (caught.value.details() or "") and "ZeroDivision" not in repr(caught.value)
    failed = [line for line in lines if line["event"] == "call failed"]
    assert [line["request_id"] for line in failed] == [request_id]


async def test_encoded_bytes_and_messages_are_the_same_answer(odd: Any) -> None:
    answer = mailbox_pb2.GetMailboxResponse(revision=7)

    async def behave(request: Any, call: Call) -> Any:
        return answer if call.caller.account_id == b"a" * 16 and call.time_remaining() is None else answer.SerializeToString()

    call = await odd(behave)
    assert await call() == await call(timeout=30) == answer.SerializeToString()


async def test_a_call_without_a_deadline_is_given_one(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "DEADLINE_SECONDS", 0.05)

    async def behave(request: Any, call: Call) -> bytes:
        await asyncio.sleep(30)
        return b""

    call = await odd(behave)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_client_that_gives_up_stops_the_work(odd: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def behave(request: Any, call: Call) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return b""

    call = (await odd(behave))()
    await asyncio.wait_for(begun.wait(), 10)
    call.cancel()
    await asyncio.wait_for(ended.wait(), 10)
    started = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError):
        await (await odd(behave))(timeout=0.1)
    assert time.monotonic() - started < 10


async def test_calls_beyond_so_many_at_once_are_refused(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST_CALLS", 2)
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def behave(request: Any, call: Call) -> bytes:
        begun.release()
        await go_on.wait()
        return b""

    call = await odd(behave)
    running = [call() for _ in range(2)]
    for _ in range(2):
        await asyncio.wait_for(begun.acquire(), 10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    go_on.set()
    assert [await each for each in running] == [b"", b""]


async def test_an_error_without_a_field_has_no_bad_request(odd: Any) -> None:
    async def behave(request: Any, call: Call) -> bytes:
        raise NotFound("ITEM_NOT_FOUND", "“ä” is not there", metadata={"id": "ä"})

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (await odd(behave))()
    status = status_of(caught.value)
    info = error_details_pb2.ErrorInfo()
    assert len(status.details) == 1 and status.details[0].Unpack(info)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND and status.message == "“ä” is not there"
    assert dict(info.metadata) == {"id": "ä"}

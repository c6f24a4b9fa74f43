"""Signing in, staying signed in, and being signed out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import auth_service_pb2 as auth
from rookery.v1.auth_service_pb2_grpc import AuthServiceStub
from rookery_client.connection.status import error_of_call
from rookery_core.errors import InvalidArgument, ResourceExhausted, RookeryError, Unauthenticated
from tests.support.server import PASSWORD, bearer

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.support.server import Running


async def refusal(call: Awaitable[object]) -> RookeryError:
    """The error that the call ends with, as the client understands it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return error_of_call(caught.value, "the server")


async def who(server: Running, access_token: str) -> auth.Identity:
    return (await server.auth.WhoAmI(auth.WhoAmIRequest(), metadata=bearer(access_token))).identity


async def test_a_person_signs_in_under_any_address_in_any_case_and_learns_who_they_are(server: Running) -> None:
    account = await server.add_account("Anna", display_name="Anna Äpfel")
    alias = admin.Alias(address="Office@rookery.test", account_id=account.id)
    await server.admin.CreateAlias(admin.CreateAliasRequest(operation_id=server.ids.new(), alias=alias))
    for address in ("anna@rookery.test", "ANNA@Rookery.Test", "office@rookery.test"):
        response = await server.sign_in(address)
        identity = await who(server, response.tokens.access_token)
        assert identity == response.identity
        assert identity.address == "Anna@rookery.test"
        assert (identity.account_id, identity.mailbox_id) == (account.id, account.mailbox_id)
        assert identity.display_name == "Anna Äpfel" and not identity.administrator
        assert response.revision >= 1


async def test_wrong_password_unknown_address_and_disabled_account_look_alike(server: Running) -> None:
    account = await server.add_account("anna")
    wrong = await refusal(server.sign_in("anna@rookery.test", "not the password"))
    unknown = await refusal(server.sign_in("nobody@rookery.test"))
    nonsense = await refusal(server.sign_in("no address at all"))
    disabled = admin.Account(id=account.id, disabled=True)
    await server.admin.UpdateAccount(
        admin.UpdateAccountRequest(operation_id=server.ids.new(), account=disabled, update_mask=FieldMask(paths=["disabled"]))
    )
    off = await refusal(server.sign_in("anna@rookery.test"))
    for error in (wrong, unknown, nonsense, off):
        assert isinstance(error, Unauthenticated)
        assert (error.reason, error.message) == (wrong.reason, wrong.message) == ("CREDENTIALS_INVALID", wrong.message)


async def test_an_account_without_a_password_can_not_be_signed_in_to(server: Running) -> None:
    await server.add_domain()
    account = admin.Account(address="room@rookery.test", kind=admin.ACCOUNT_KIND_ROOM)
    await server.admin.CreateAccount(admin.CreateAccountRequest(operation_id=server.ids.new(), account=account))
    for password in ("", "nobody has this password", PASSWORD):
        assert (await refusal(server.sign_in("room@rookery.test", password))).reason == "CREDENTIALS_INVALID"


async def test_signing_in_again_with_the_same_operation_gives_the_same_session_and_tokens(server: Running) -> None:
    await server.add_account("anna")
    request = auth.LoginRequest(address="anna@rookery.test", password=PASSWORD, device_name="laptop", operation_id=server.ids.new())
    first = await server.auth.Login(request)
    assert await server.auth.Login(request) == first
    request.device_name = "another"
    assert (await refusal(server.auth.Login(request))).reason == "OPERATION_REUSED"


async def test_wrong_passwords_slow_down_the_account_and_are_forgiven_with_time(server: Running) -> None:
    await server.add_account("anna")
    await server.add_account("ben")
    for _ in range(5):
        assert (await refusal(server.sign_in("anna@rookery.test", "guess"))).reason == "CREDENTIALS_INVALID"
    error = await refusal(server.sign_in("ANNA@rookery.test"))
    assert isinstance(error, ResourceExhausted) and error.reason == "LOGIN_THROTTLED"
    assert int(error.metadata["retry_seconds"]) >= 1
    await server.sign_in("ben@rookery.test")  # nobody else is held up
    server.clock.advance(seconds=int(error.metadata["retry_seconds"]))
    await server.sign_in("anna@rookery.test")
    assert (await refusal(server.sign_in("anna@rookery.test", "guess"))).reason == "CREDENTIALS_INVALID"


async def test_guessing_at_many_accounts_from_one_place_is_slowed_down_too(server: Running) -> None:
    await server.add_account("anna")
    reasons = [(await refusal(server.sign_in(f"guess{n}@rookery.test"))).reason for n in range(22)]
    assert reasons[:20] == ["CREDENTIALS_INVALID"] * 20
    assert reasons[20:] == ["LOGIN_THROTTLED"] * 2
    assert (await refusal(server.sign_in("anna@rookery.test"))).reason == "LOGIN_THROTTLED"


async def test_calls_without_a_good_token_are_refused(server: Running) -> None:
    anna = await server.add_person("anna")
    missing = await refusal(server.auth.WhoAmI(auth.WhoAmIRequest()))
    assert isinstance(missing, Unauthenticated) and missing.reason == "TOKEN_MISSING"
    good = anna.login.tokens.access_token
    for bad in ("x", good[:-2], good[:20] + ("A" if good[20] != "A" else "B") + good[21:], anna.login.tokens.refresh_token, "é"):
        metadata = bearer(bad.encode("ascii", "replace").decode())
        assert (await refusal(server.auth.WhoAmI(auth.WhoAmIRequest(), metadata=metadata))).reason == "TOKEN_INVALID"
    assert (await refusal(server.auth.Refresh(auth.RefreshRequest(refresh_token=good)))).reason == "TOKEN_INVALID"


async def test_an_access_token_ends_after_an_hour_and_a_refresh_gives_the_next(server: Running) -> None:
    anna = await server.add_person("anna")
    tokens = anna.login.tokens
    server.clock.advance(seconds=3599)
    await who(server, tokens.access_token)
    server.clock.advance(seconds=2)
    assert (await refusal(who(server, tokens.access_token))).reason == "SESSION_EXPIRED"
    response = await server.auth.Refresh(auth.RefreshRequest(refresh_token=tokens.refresh_token))
    assert (await who(server, response.tokens.access_token)).session_id == anna.login.identity.session_id


async def test_a_refresh_whose_answer_was_lost_gives_the_same_tokens_again(server: Running) -> None:
    anna = await server.add_person("anna")
    request = auth.RefreshRequest(refresh_token=anna.login.tokens.refresh_token)
    first = await server.auth.Refresh(request)
    server.clock.advance(seconds=120)
    assert (await server.auth.Refresh(request)).tokens == first.tokens


async def test_a_refresh_token_from_two_refreshes_ago_ends_the_session(server: Running) -> None:
    anna = await server.add_person("anna")
    old = anna.login.tokens.refresh_token
    second = await server.auth.Refresh(auth.RefreshRequest(refresh_token=old))
    third = await server.auth.Refresh(auth.RefreshRequest(refresh_token=second.tokens.refresh_token))
    await who(server, third.tokens.access_token)
    assert (await refusal(server.auth.Refresh(auth.RefreshRequest(refresh_token=old)))).reason == "SESSION_REVOKED"
    assert (await refusal(who(server, third.tokens.access_token))).reason == "SESSION_REVOKED"
    newest = auth.RefreshRequest(refresh_token=third.tokens.refresh_token)
    assert (await refusal(server.auth.Refresh(newest))).reason == "SESSION_REVOKED"


async def test_a_session_that_nobody_uses_for_90_days_is_over(server: Running) -> None:
    anna = await server.add_person("anna")
    server.clock.advance(days=90, seconds=1)
    request = auth.RefreshRequest(refresh_token=anna.login.tokens.refresh_token)
    assert (await refusal(server.auth.Refresh(request))).reason == "SESSION_REVOKED"


async def test_signing_out_ends_this_session_at_once_and_no_other(server: Running) -> None:
    anna = await server.add_person("anna")
    other = await server.sign_in(anna.address)
    await who(server, anna.login.tokens.access_token)
    await server.auth.Logout(auth.LogoutRequest(), metadata=anna.metadata)
    assert (await refusal(who(server, anna.login.tokens.access_token))).reason == "SESSION_REVOKED"
    await who(server, other.tokens.access_token)


async def test_sessions_are_listed_last_used_first_and_can_be_ended(server: Running) -> None:
    anna = await server.add_person("anna")
    ben = await server.add_person("ben")
    server.clock.advance(seconds=10)
    phone = await server.sign_in(anna.address, device="phone")
    listed = await server.auth.ListSessions(auth.ListSessionsRequest(), metadata=anna.metadata)
    assert [(session.device_name, session.current) for session in listed.sessions] == [("phone", False), ("a test", True)]
    assert {session.peer for session in listed.sessions} == {"127.0.0.1"}
    await who(server, phone.tokens.access_token)
    request = auth.RevokeSessionRequest(session_id=phone.identity.session_id, operation_id=server.ids.new())
    first = await server.auth.RevokeSession(request, metadata=anna.metadata)
    assert await server.auth.RevokeSession(request, metadata=anna.metadata) == first
    assert (await refusal(who(server, phone.tokens.access_token))).reason == "SESSION_REVOKED"
    listed = await server.auth.ListSessions(auth.ListSessionsRequest(), metadata=anna.metadata)
    assert [session.id for session in listed.sessions] == [anna.login.identity.session_id]
    foreign = auth.RevokeSessionRequest(session_id=ben.login.identity.session_id, operation_id=server.ids.new())
    assert (await refusal(server.auth.RevokeSession(foreign, metadata=anna.metadata))).reason == "SESSION_NOT_FOUND"
    await who(server, ben.login.tokens.access_token)


def change(server: Running, old: str, new: str) -> auth.ChangePasswordRequest:
    return auth.ChangePasswordRequest(old_password=old, new_password=new, operation_id=server.ids.new())


async def test_changing_the_password_ends_the_other_sessions_and_can_be_repeated(server: Running) -> None:
    anna = await server.add_person("anna")
    other = await server.sign_in(anna.address)
    await who(server, other.tokens.access_token)
    request = change(server, PASSWORD, "another good password")
    first = await server.auth.ChangePassword(request, metadata=anna.metadata)
    assert await server.auth.ChangePassword(request, metadata=anna.metadata) == first
    await who(server, anna.login.tokens.access_token)
    assert (await refusal(who(server, other.tokens.access_token))).reason == "SESSION_REVOKED"
    assert (await refusal(server.sign_in(anna.address))).reason == "CREDENTIALS_INVALID"
    await server.sign_in(anna.address, "another good password")


async def test_a_password_is_changed_only_by_who_knows_it_and_only_to_a_fit_one(server: Running) -> None:
    anna = await server.add_person("anna")

    async def attempt(old: str, new: str) -> RookeryError:
        return await refusal(server.auth.ChangePassword(change(server, old, new), metadata=anna.metadata))

    assert (await attempt("wrong password", "another good password")).reason == "CREDENTIALS_INVALID"
    for weak in ("short", "x" * 1025, ""):
        error = await attempt(PASSWORD, weak)
        assert isinstance(error, InvalidArgument)
        assert (error.reason, error.field) == ("PASSWORD_WEAK", "new_password")
    await server.sign_in(anna.address)


async def test_no_password_not_even_hashed_by_itself_is_in_the_ledger(server: Running, database_url: str) -> None:
    anna = await server.add_person("anna")
    first, second = change(server, PASSWORD, "another good password"), change(server, "another good password", PASSWORD)
    second.operation_id = first.operation_id
    await server.auth.ChangePassword(first, metadata=anna.metadata)
    # The same operation id with other passwords is taken for a repeat: what is compared holds no trace of them.
    await server.auth.ChangePassword(second, metadata=anna.metadata)
    await server.sign_in(anna.address, "another good password")


async def test_who_is_disabled_is_out_at_once(server: Running) -> None:
    anna = await server.add_person("anna")
    await who(server, anna.login.tokens.access_token)
    request = admin.UpdateAccountRequest(
        operation_id=server.ids.new(),
        account=admin.Account(id=anna.account.id, disabled=True),
        update_mask=FieldMask(paths=["disabled"]),
    )
    await server.admin.UpdateAccount(request)
    assert (await refusal(who(server, anna.login.tokens.access_token))).reason == "SESSION_REVOKED"
    refresh = auth.RefreshRequest(refresh_token=anna.login.tokens.refresh_token)
    assert (await refusal(server.auth.Refresh(refresh))).reason == "SESSION_REVOKED"


@pytest.mark.parametrize("call", ["WhoAmI", "ListSessions", "Logout"])
async def test_the_machine_s_administrator_has_no_account_to_ask_about(server: Running, call: str) -> None:
    request = {"WhoAmI": auth.WhoAmIRequest, "ListSessions": auth.ListSessionsRequest, "Logout": auth.LogoutRequest}[call]()
    assert (await refusal(getattr(AuthServiceStub(server.machine), call)(request))).reason == "TOKEN_MISSING"


async def test_operation_ids_of_a_sign_in_are_checked_like_all_others(server: Running) -> None:
    await server.add_account("anna")
    request = auth.LoginRequest(address="anna@rookery.test", password=PASSWORD, operation_id=b"short")
    error = await refusal(server.auth.Login(request))
    assert isinstance(error, InvalidArgument)
    assert (error.reason, error.field) == ("ID_INVALID", "operation_id")
    request.operation_id = server.ids.new()
    for name in ("x" * 256, "lap\0top", "lap\ntop", "\x1b[2J"):
        request.device_name = name
        assert (await refusal(server.auth.Login(request))).field == "device_name", name


async def test_many_guesses_at_once_are_looked_at_no_more_than_the_same_number_one_by_one(server: Running) -> None:
    await server.add_account("anna")
    errors = await asyncio.gather(*(refusal(server.sign_in("anna@rookery.test", f"guess {n}")) for n in range(40)))
    reasons = sorted(error.reason for error in errors)
    assert reasons == ["CREDENTIALS_INVALID"] * 5 + ["LOGIN_THROTTLED"] * 35

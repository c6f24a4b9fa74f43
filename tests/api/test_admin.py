"""Accounts, addresses, domains and figures."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import auth_service_pb2 as auth
from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from rookery_server.store import account_removal, mailboxes, tables
from rookery_server.store.database import open_database
from tests.api.test_auth import refusal
from tests.support.fakes import RecordingNotifier
from tests.support.server import DOMAIN, PASSWORD, Running, serving, settings_of, untyped

if TYPE_CHECKING:
    import pathlib

    from sqlalchemy import Connection

    from tests.support.server import Person


def creation(server: Running, address: str, password: str = PASSWORD, **fields: Any) -> admin.CreateAccountRequest:
    return admin.CreateAccountRequest(
        operation_id=server.ids.new(), account=admin.Account(address=address, **fields), password=password
    )


def update(server: Running, account_id: bytes, **values: Any) -> admin.UpdateAccountRequest:
    request = admin.UpdateAccountRequest(operation_id=server.ids.new(), account=admin.Account(id=account_id, **values))
    request.update_mask.paths.extend(values)
    return request


async def test_a_new_account_comes_with_a_mailbox_and_its_role_folders(server: Running) -> None:
    anna = await server.add_person("Anna")
    assert anna.account.display_name == "Anna" and anna.account.kind == admin.ACCOUNT_KIND_USER
    assert len(anna.account.id) == len(anna.account.mailbox_id) == 16
    assert anna.account.HasField("created") and not anna.account.disabled and not anna.account.administrator
    listed = await FolderServiceStub(server.channel).ListFolders(folder_pb2.ListFoldersRequest(), metadata=anna.metadata)
    assert {folder.role for folder in listed.folders} == set(folder_pb2.FolderRole.values()) - {0}


async def test_creating_an_account_again_with_the_same_operation_gives_the_same_account(server: Running) -> None:
    await server.add_domain()
    request = creation(server, "anna@rookery.test")
    first = await server.admin.CreateAccount(request)
    assert await server.admin.CreateAccount(request) == first
    request.account.display_name = "Another"
    assert (await refusal(server.admin.CreateAccount(request))).reason == "OPERATION_REUSED"


async def test_of_many_who_want_one_address_at_once_one_gets_it(server: Running) -> None:
    await server.add_domain()
    attempts = [server.admin.CreateAccount(creation(server, "anna@rookery.test")) for _ in range(8)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, admin.CreateAccountResponse) for outcome in outcomes) == 1
    listed = await server.admin.ListAccounts(admin.ListAccountsRequest())
    assert [account.address for account in listed.accounts] == ["anna@rookery.test"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("anna", "ADDRESS_INVALID"),
        ("@rookery.test", "ADDRESS_INVALID"),
        ("anna@", "ADDRESS_INVALID"),
        ("an na@rookery.test", "ADDRESS_INVALID"),
        ("anna..b@rookery.test", "ADDRESS_INVALID"),
        ("anna@rookery..test", "ADDRESS_INVALID"),
        ("anna@-rookery.test", "ADDRESS_INVALID"),
        ("anna@☃.test", "ADDRESS_INVALID"),
        ("anna@[192.0.2.1]", "ADDRESS_INVALID"),
        ('"anna"@rookery.test', "ADDRESS_INVALID"),
        ("anna@faß.test", "DOMAIN_NOT_FOUND"),
        ("a" * 65 + "@rookery.test", "ADDRESS_INVALID"),
        ("anna@" + "a" * 64 + ".test", "ADDRESS_INVALID"),
        ("anna\u202e@rookery.test", "ADDRESS_INVALID"),
        ("anna@elsewhere.test", "DOMAIN_NOT_FOUND"),
    ],
)
async def test_an_address_that_can_not_be_is_refused(server: Running, address: str, reason: str) -> None:
    await server.add_domain()
    error = await refusal(server.admin.CreateAccount(creation(server, address)))
    assert error.reason == reason
    assert error.field == ("account.address" if reason == "ADDRESS_INVALID" else None)


async def test_what_an_account_can_not_have_is_refused(server: Running) -> None:
    await server.add_domain()
    for wrong in ({"display_name": "x" * 256}, {"display_name": "a\nb"}, {"quota_bytes": 1 << 63}, {"kind": 99}):
        error = await refusal(server.admin.CreateAccount(creation(server, "anna@rookery.test", **wrong)))
        assert isinstance(error, InvalidArgument) and error.field == f"account.{next(iter(wrong))}", wrong
    error = await refusal(server.admin.CreateAccount(creation(server, "anna@rookery.test", "too short")))
    assert (error.reason, error.field) == ("PASSWORD_WEAK", "password")


async def test_addresses_are_unique_by_case_fold_and_in_every_spelling_of_the_domain(server: Running) -> None:
    await server.add_domain("bücher.test")
    listed = await server.admin.ListDomains(admin.ListDomainsRequest())
    assert [domain.name for domain in listed.domains] == ["xn--bcher-kva.test"]
    await server.admin.CreateAccount(creation(server, "Änne@Bücher.test"))
    for same in ("änne@bücher.test", "ÄNNE@XN--BCHER-KVA.test", "a\u0308nne@bu\u0308cher.TEST"):
        error = await refusal(server.admin.CreateAccount(creation(server, same)))
        assert isinstance(error, AlreadyExists) and error.reason == "ADDRESS_TAKEN", same
        found = await server.admin.GetAccount(admin.GetAccountRequest(address=same))
        assert found.account.address == "Änne@Bücher.test"


async def test_an_account_is_read_by_id_and_by_any_address(server: Running) -> None:
    account = await server.add_account("anna")
    alias = admin.Alias(address="sales@rookery.test", account_id=account.id)
    await server.admin.CreateAlias(admin.CreateAliasRequest(operation_id=server.ids.new(), alias=alias))
    by_id = await server.admin.GetAccount(admin.GetAccountRequest(account_id=account.id))
    by_alias = await server.admin.GetAccount(admin.GetAccountRequest(address="SALES@rookery.test"))
    assert by_id == by_alias and list(by_id.account.aliases) == ["sales@rookery.test"]
    for request in (
        admin.GetAccountRequest(account_id=bytes(16)),
        admin.GetAccountRequest(address="nobody@rookery.test"),
    ):
        error = await refusal(server.admin.GetAccount(request))
        assert isinstance(error, NotFound) and error.reason == "ACCOUNT_NOT_FOUND"
    assert (await refusal(server.admin.GetAccount(admin.GetAccountRequest()))).reason == "FIELD_INVALID"
    assert (await refusal(server.admin.GetAccount(admin.GetAccountRequest(account_id=b"x")))).reason == "ID_INVALID"


async def test_accounts_are_listed_by_address_page_by_page(server: Running) -> None:
    for name in ("dora", "anna", "ben", "carl", "Emil"):
        await server.add_account(name)
    request = admin.ListAccountsRequest(page_size=2)
    pages = []
    while True:
        response = await server.admin.ListAccounts(request)
        pages.append([account.address.split("@")[0] for account in response.accounts])
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert pages == [["anna", "ben"], ["carl", "dora"], ["Emil"]]


async def test_a_page_that_is_too_large_is_refused(server: Running) -> None:
    for error in (
        await refusal(server.admin.ListAccounts(admin.ListAccountsRequest(page_size=501))),
        await refusal(server.admin.ListAliases(admin.ListAliasesRequest(page_size=501))),
    ):
        assert (error.reason, error.field) == ("LIMIT_EXCEEDED", "page_size")
    await server.admin.ListAccounts(admin.ListAccountsRequest(page_size=500))
    await server.admin.ListAliases(admin.ListAliasesRequest(page_size=500))


async def test_a_page_token_is_good_for_its_own_query_and_caller_only(server: Running) -> None:
    boss = await server.add_person("boss", administrator=True)
    for name in ("anna", "ben"):
        await server.add_account(name)
    token = (await server.admin.ListAccounts(admin.ListAccountsRequest(page_size=1))).next_page_token
    tampered = token[:-1] + ("A" if token[-1] != "A" else "B")
    channel = untyped(server.channel).unary_unary("/rookery.v1.AdminService/ListAccounts")
    foreign = admin.ListAccountsRequest(page_token=token).SerializeToString()
    errors = [
        await refusal(server.admin.ListAccounts(admin.ListAccountsRequest(page_token=tampered))),
        await refusal(server.admin.ListAccounts(admin.ListAccountsRequest(page_token="nonsense!"))),
        await refusal(server.admin.ListAliases(admin.ListAliasesRequest(page_token=token))),
        await refusal(channel(foreign, metadata=boss.metadata)),
    ]
    assert [(error.reason, error.field) for error in errors] == [("PAGE_TOKEN_INVALID", "page_token")] * 4


async def test_an_account_is_changed_by_what_the_mask_names(server: Running) -> None:
    account = await server.add_account("anna", display_name="Anna")
    request = update(server, account.id, display_name="Anna B.", quota_bytes=5000, administrator=True)
    changed = (await server.admin.UpdateAccount(request)).account
    assert (changed.display_name, changed.quota_bytes, changed.administrator) == ("Anna B.", 5000, True)
    assert await server.admin.UpdateAccount(request) == admin.UpdateAccountResponse(account=changed, revision=1)
    request = update(server, account.id, display_name="Anna C.")
    request.account.quota_bytes = 7
    assert (await server.admin.UpdateAccount(request)).account.quota_bytes == 5000


async def test_a_mask_that_names_what_can_not_be_changed_is_refused(server: Running) -> None:
    account = await server.add_account("anna")
    for path, reason in (
        ("address", "FIELD_NOT_WRITABLE"),
        ("used_bytes", "FIELD_NOT_WRITABLE"),
        ("nonsense", "FIELD_UNKNOWN"),
    ):
        request = update(server, account.id)
        request.update_mask.paths.append(path)
        assert (await refusal(server.admin.UpdateAccount(request))).reason == reason
    assert (await refusal(server.admin.UpdateAccount(update(server, account.id)))).reason == "FIELD_INVALID"
    unknown = update(server, bytes(16), display_name="x")
    assert (await refusal(server.admin.UpdateAccount(unknown))).reason == "ACCOUNT_NOT_FOUND"


async def test_an_administrator_can_not_lock_themselves_out(server: Running) -> None:
    boss = await server.add_person("boss", administrator=True)
    service = untyped(server.channel).unary_unary("/rookery.v1.AdminService/UpdateAccount")
    for wrong in ({"disabled": True}, {"administrator": False}):
        request = update(server, boss.account.id, **wrong)
        error = await refusal(service(request.SerializeToString(), metadata=boss.metadata))
        assert isinstance(error, FailedPrecondition)
    removal = admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=boss.account.id)
    delete = untyped(server.channel).unary_unary("/rookery.v1.AdminService/DeleteAccount")
    assert isinstance(await refusal(delete(removal.SerializeToString(), metadata=boss.metadata)), FailedPrecondition)


async def test_a_demoted_administrator_is_one_no_longer_at_once(server: Running) -> None:
    boss = await server.add_person("boss", administrator=True)
    listing = untyped(server.channel).unary_unary("/rookery.v1.AdminService/ListAccounts")
    await listing(b"", metadata=boss.metadata)
    await server.admin.UpdateAccount(update(server, boss.account.id, administrator=False))
    assert (await refusal(listing(b"", metadata=boss.metadata))).reason == "ADMINISTRATOR_ONLY"


async def test_setting_a_password_ends_all_sessions(server: Running) -> None:
    anna = await server.add_person("anna")
    request = admin.SetPasswordRequest(operation_id=server.ids.new(), account_id=anna.account.id, password="another good password")
    first = await server.admin.SetPassword(request)
    assert await server.admin.SetPassword(request) == first
    who = server.auth.WhoAmI(auth.WhoAmIRequest(), metadata=anna.metadata)
    assert (await refusal(who)).reason == "SESSION_REVOKED"
    assert (await refusal(server.sign_in(anna.address))).reason == "CREDENTIALS_INVALID"
    await server.sign_in(anna.address, "another good password")


async def test_aliases_are_listed_and_taken_away(server: Running) -> None:
    anna, ben = await server.add_account("anna"), await server.add_account("ben")
    for address, owner in (("b@rookery.test", anna), ("a@rookery.test", anna), ("c@rookery.test", ben)):
        alias = admin.Alias(address=address, account_id=owner.id)
        await server.admin.CreateAlias(admin.CreateAliasRequest(operation_id=server.ids.new(), alias=alias))
    everything = await server.admin.ListAliases(admin.ListAliasesRequest())
    assert [alias.address[0] for alias in everything.aliases] == ["a", "b", "c"]
    first = await server.admin.ListAliases(admin.ListAliasesRequest(account_id=anna.id, page_size=1))
    request = admin.ListAliasesRequest(account_id=anna.id, page_size=1, page_token=first.next_page_token)
    second = await server.admin.ListAliases(request)
    assert [alias.address[0] for alias in (*first.aliases, *second.aliases)] == ["a", "b"]
    assert not second.next_page_token

    def removal(address: str) -> admin.DeleteAliasRequest:
        return admin.DeleteAliasRequest(operation_id=server.ids.new(), address=address)

    await server.admin.DeleteAlias(removal("A@rookery.test"))
    assert (await refusal(server.admin.DeleteAlias(removal("a@rookery.test")))).reason == "ACCOUNT_NOT_FOUND"
    assert isinstance(await refusal(server.admin.DeleteAlias(removal(anna.address))), FailedPrecondition)
    taken = admin.CreateAliasRequest(operation_id=server.ids.new(), alias=admin.Alias(address=ben.address, account_id=anna.id))
    assert (await refusal(server.admin.CreateAlias(taken))).reason == "ADDRESS_TAKEN"


async def test_a_domain_in_use_stays(server: Running) -> None:
    await server.add_account("anna")
    await server.add_domain("empty.test")

    def removal(name: str) -> admin.DeleteDomainRequest:
        return admin.DeleteDomainRequest(operation_id=server.ids.new(), name=name)

    error = await refusal(server.admin.DeleteDomain(removal(DOMAIN)))
    assert isinstance(error, FailedPrecondition) and error.reason == "DOMAIN_IN_USE"
    await server.admin.DeleteDomain(removal("EMPTY.test"))
    assert (await refusal(server.admin.DeleteDomain(removal("empty.test")))).reason == "DOMAIN_NOT_FOUND"
    listed = await server.admin.ListDomains(admin.ListDomainsRequest())
    assert [(domain.name, domain.address_count) for domain in listed.domains] == [(DOMAIN, 1)]
    again = admin.CreateDomainRequest(operation_id=server.ids.new(), domain=admin.Domain(name=DOMAIN))
    assert (await refusal(server.admin.CreateDomain(again))).reason == "DOMAIN_TAKEN"


async def write_notes(server: Running, person: Person, count: int) -> None:
    """Fills a mailbox."""
    items = ItemServiceStub(server.channel)
    for number in range(count):
        item = item_pb2.Item()
        item.summary.kind = item_pb2.ITEM_KIND_NOTE
        item.summary.subject = f"note {number}"
        request = item_service_pb2.CreateItemRequest(operation_id=server.ids.new(), item=item)
        await items.CreateItem(request, metadata=person.metadata)


def rows_of(connection: Connection, mailbox_id: int) -> dict[str, int]:
    """How many rows of a mailbox there are, by table."""
    named = [table for table in tables.metadata.sorted_tables if "mailbox_id" in table.c and table.name != "job"]
    counts = {
        table.name: connection.execute(select(func.count()).select_from(table).where(table.c.mailbox_id == mailbox_id)).scalar_one()
        for table in named
    }
    return {name: count for name, count in counts.items() if count}


def but_the_index(counts: dict[str, int]) -> dict[str, int]:
    """Without what the full-text index, which follows at its own pace, knows."""
    return {name: count for name, count in counts.items() if not name.startswith("search_")}


async def test_a_removed_account_leaves_nothing_and_its_neighbour_keeps_everything(server: Running, database_url: str) -> None:
    anna, ben = await server.add_person("anna"), await server.add_person("ben")
    await write_notes(server, anna, 12)
    await write_notes(server, ben, 3)
    database = open_database(database_url, notifier=RecordingNotifier(), readers=1, writers=1)
    numbers = {}
    for person in (anna, ben):
        row = await database.read(partial(mailboxes.find, uid=person.account.mailbox_id))
        assert row is not None
        numbers[person.address] = row.id
    before = but_the_index(await database.read(lambda connection: rows_of(connection, numbers[ben.address])))
    request = admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=anna.account.id)
    response = await server.admin.DeleteAccount(request)
    assert response.deleted_items == 12
    assert await server.admin.DeleteAccount(request) == response
    assert await database.read(lambda connection: rows_of(connection, numbers[anna.address])) == {}
    after = await database.read(lambda connection: rows_of(connection, numbers[ben.address]))
    assert but_the_index(after) == before
    await database.close()
    who = server.auth.WhoAmI(auth.WhoAmIRequest(), metadata=anna.metadata)
    assert (await refusal(who)).reason == "SESSION_REVOKED"
    again = admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=anna.account.id)
    assert (await refusal(server.admin.DeleteAccount(again))).reason == "ACCOUNT_NOT_FOUND"
    await server.add_person("anna")


async def test_a_removal_that_stopped_half_way_is_finished_by_a_repeat_or_at_the_next_start(
    database_url: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, database_url=database_url)
    async with serving(settings) as server:
        anna, ben = await server.add_person("anna"), await server.add_person("ben")
        await write_notes(server, anna, 5)
        real, steps = account_removal.remove_some, iter(range(4))

        def break_off(*arguments: Any) -> Any:
            if next(steps, None) is None:
                raise OSError("the machine was switched off")
            return real(*arguments)

        monkeypatch.setattr(account_removal, "remove_some", break_off)
        request = admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=anna.account.id)
        await refusal(server.admin.DeleteAccount(request))
        monkeypatch.setattr(account_removal, "remove_some", real)
        assert (await server.admin.DeleteAccount(request)).deleted_items == 5
        monkeypatch.setattr(account_removal, "remove_some", break_off)
        left = admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=ben.account.id)
        await refusal(server.admin.DeleteAccount(left))
        monkeypatch.setattr(account_removal, "remove_some", real)
    database = open_database(database_url, notifier=RecordingNotifier(), readers=1, writers=1)

    async def left_over() -> int:
        statement = select(func.count()).select_from(tables.mailbox)
        return int(await database.read(lambda connection: connection.execute(statement).scalar_one()))

    assert await left_over() == 1
    async with serving(settings) as server:
        for _ in range(3000):
            if not await left_over():
                break
            await asyncio.sleep(0.02)
        assert await left_over() == 0
        assert (await server.admin.DeleteAccount(left)).deleted_items == 0
    await database.close()


async def test_figures_count_what_is_there(server: Running) -> None:
    anna = await server.add_person("anna")
    await server.add_account("ben")
    await write_notes(server, anna, 2)
    figures = await server.admin.GetStatistics(admin.GetStatisticsRequest())
    assert (figures.account_count, figures.domain_count, figures.session_count) == (2, 1, 1)
    assert figures.item_count == 2 and figures.item_bytes > 0 and figures.database_bytes > 0
    assert figures.version and figures.HasField("started")

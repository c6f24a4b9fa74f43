"""Groups and their members, for administrators and for those who ask when a group is free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import availability_service_pb2 as availability
from rookery.v1.availability_service_pb2_grpc import AvailabilityServiceStub
from tests.api.test_admin import creation, update
from tests.api.test_auth import refusal

if TYPE_CHECKING:
    from tests.support.server import Running

GROUP = admin.ACCOUNT_KIND_GROUP


async def members_of(server: Running, address: str) -> list[str]:
    return list((await server.admin.GetAccount(admin.GetAccountRequest(address=address))).account.members)


async def test_a_group_has_the_members_that_it_is_given(server: Running) -> None:
    anna, ben = await server.add_account("anna"), await server.add_account("ben")
    alias = admin.Alias(address="office@rookery.test", account_id=anna.id)
    await server.admin.CreateAlias(admin.CreateAliasRequest(operation_id=server.ids.new(), alias=alias))
    team = await server.add_account("team", kind=GROUP, members=["Ben@rookery.test", "office@rookery.test", anna.address])
    assert list(team.members) == ["anna@rookery.test", "ben@rookery.test"]
    listed = (await server.admin.ListAccounts(admin.ListAccountsRequest())).accounts
    assert [list(each.members) for each in listed] == [[], [], ["anna@rookery.test", "ben@rookery.test"]]
    changed = await server.admin.UpdateAccount(update(server, team.id, members=["ben@rookery.test"]))
    assert list(changed.account.members) == await members_of(server, team.address) == ["ben@rookery.test"]
    await server.admin.DeleteAccount(admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=ben.id))
    assert await members_of(server, team.address) == []
    emptied = update(server, team.id, display_name="Team")
    emptied.update_mask.paths.append("members")
    assert (await server.admin.UpdateAccount(emptied)).account.display_name == "Team"
    await server.admin.DeleteAccount(admin.DeleteAccountRequest(operation_id=server.ids.new(), account_id=team.id))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": GROUP, "members": ["nobody@rookery.test"]}, "ACCOUNT_NOT_FOUND"),
        ({"kind": GROUP, "members": ["anna@rookery.test", "other@rookery.test"]}, "FIELD_INVALID"),
        ({"kind": GROUP, "members": ["no address"]}, "ADDRESS_INVALID"),
        ({"kind": GROUP, "members": [f"a{number}@rookery.test" for number in range(501)]}, "LIMIT_EXCEEDED"),
        ({"kind": admin.ACCOUNT_KIND_ROOM, "members": ["anna@rookery.test"]}, "FIELD_INVALID"),
    ],
)
async def test_members_that_can_not_be_are_refused_and_nothing_is_changed(
    server: Running, fields: dict[str, Any], reason: str
) -> None:
    await server.add_account("anna")
    other = await server.add_account("other", kind=GROUP)
    assert (await refusal(server.admin.CreateAccount(creation(server, "team@rookery.test", **fields)))).reason == reason
    unknown = server.admin.GetAccount(admin.GetAccountRequest(address="team@rookery.test"))
    assert (await refusal(unknown)).reason == "ACCOUNT_NOT_FOUND"
    if fields["kind"] == GROUP:
        changed = server.admin.UpdateAccount(update(server, other.id, members=fields["members"]))
        assert (await refusal(changed)).reason == reason
        assert await members_of(server, other.address) == []


async def test_whoever_asks_about_a_group_asks_about_its_members(server: Running) -> None:
    anna = await server.add_person("anna")
    await server.add_account("team", kind=GROUP, members=[anna.address])
    stub = AvailabilityServiceStub(server.channel)
    request = availability.GetFreeBusyRequest(parties=[availability.Party(address="team@rookery.test")])
    request.window_start.FromSeconds(1_790_000_000)
    request.window_end.FromSeconds(1_790_100_000)
    (found,) = (await stub.GetFreeBusy(request, metadata=anna.metadata)).parties
    assert (found.kind, list(found.members), list(found.times)) == (GROUP, ["anna@rookery.test"], [])

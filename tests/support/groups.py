"""Groups in a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery_server.store import accounts, groups

if TYPE_CHECKING:
    from rookery_server.store.units import Transaction
    from tests.support.world import Person, World


async def make_group(world: World, name: str, *members: Person, quota: int = 0) -> Person:
    """A group with these members."""
    group = await world.person(name, quota=quota)

    def work(transaction: Transaction) -> None:
        accounts.change(transaction.connection, group.caller.account_id, {"kind": ACCOUNT_KIND_GROUP})
        groups.set_members(transaction.connection, group.caller.account_id, [each.caller.account_id for each in members])

    await world.database.write(work)
    return group


async def disable(world: World, person: Person) -> None:
    """Disables somebody's account."""
    account_id = person.caller.account_id
    await world.database.write(lambda transaction: accounts.change(transaction.connection, account_id, {"disabled": True}))


async def forget_addresses(world: World, person: Person) -> None:
    """What the removal of an account begins with."""
    account_id = person.caller.account_id
    await world.database.write(lambda transaction: accounts.remove_addresses(transaction.connection, account_id))

"""Mail to groups: it reaches the members, each once, wherever it comes from and whatever becomes of single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import submission_pb2 as records
from rookery_core.errors import Unavailable
from rookery_core.formats.trace import Hop
from rookery_server.metrics.server import GroupFigures
from rookery_server.services.incoming import bringing, deliveries
from rookery_server.services.incoming.letters import Arrival
from rookery_server.services.incoming.recipients import Recipient
from rookery_server.services.submission import local_delivery
from rookery_server.store import accounts
from tests.services.test_incoming import SENDER, Incoming, letter
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.groups import disable, forget_addresses, make_group
from tests.support.mail import INBOX, SENT
from tests.support.statements import noted

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

TEAM, ALL = "team@rookery.example", "all@rookery.example"
DELIVERED = (records.DELIVERY_STATE_DELIVERED, "2.1.5")
FULL = (records.DELIVERY_STATE_FAILED, "5.2.2")


@pytest.fixture
def world(database: Database) -> Incoming:
    return Incoming(database)


def states(submission: Submission) -> dict[str, tuple[int, str]]:
    return {each.person.address: (each.state, each.status_code) for each in submission.recipients}


async def counts(world: Incoming, *people: Person) -> list[int]:
    """How many messages are in the inboxes."""
    return [len(await world.within(person, INBOX)) for person in people]


@ON_BOTH
async def test_what_is_sent_to_a_group_reaches_the_group_and_its_members(world: Incoming, anna: Person, ben: Person) -> None:
    carla = await world.person("carla")
    team = await make_group(world, "team", carla, ben)
    sent = await world.send(anna, TEAM, subject="Lunch")
    await world.work()
    for person in (team, ben, carla):
        [came] = await world.within(person, INBOX)
        assert came.summary.subject == "Lunch" and not came.state.read
        assert [each.person.address for each in came.content.recipients] == [TEAM]
        await world.check_counters(person)
    after = await world.submission(anna, sent.id)
    assert states(after) == {TEAM: DELIVERED} and after.state == records.SUBMISSION_STATE_FINAL
    [kept] = await world.within(anna, SENT)
    assert [each.person.address for each in kept.content.recipients] == [TEAM]
    assert await counts(world, anna) == [0]


@ON_BOTH
async def test_what_comes_in_for_a_group_reaches_the_group_and_its_members(world: Incoming, anna: Person, ben: Person) -> None:
    team = await make_group(world, "team", anna, ben)
    assert await world.bring(letter(1), "Team") == [""]
    for person in (team, anna, ben):
        [came] = await world.within(person, INBOX)
        kept = await world.original(person, came.id)
        assert kept.endswith(letter(1)) and b"for <Team@rookery.example>" in kept
        await world.check_counters(person)


async def test_a_member_who_is_the_sender_has_it_too(world: Incoming, anna: Person) -> None:
    await make_group(world, "team", anna)
    await world.send(anna, TEAM)
    await world.work()
    assert await counts(world, anna) == [1]


@ON_BOTH
async def test_who_is_named_and_belongs_to_two_of_the_groups_has_one_copy(world: Incoming, anna: Person, ben: Person) -> None:
    team, everybody = await make_group(world, "team", ben), await make_group(world, "all", anna, ben)
    await world.send(anna, "ben@rookery.example", TEAM, cc=(ALL,))
    await world.work()
    assert await counts(world, ben, anna, team, everybody) == [1, 1, 1, 1]
    assert await world.bring(letter(1), "all", "ben", "team") == ["", "", ""]
    assert await counts(world, ben, anna, team, everybody) == [2, 2, 2, 2]


async def test_a_message_that_comes_for_the_group_and_by_itself_for_a_member_is_one(
    world: Incoming, anna: Person, ben: Person
) -> None:
    await make_group(world, "team", anna, ben)
    await make_group(world, "all", ben)
    for names in (("ben",), ("team",), ("anna",), ("all", "team")):
        assert await world.bring(letter(1), *names) == [""] * len(names)
    assert await counts(world, anna, ben) == [1, 1]


@ON_BOTH
async def test_who_is_disabled_or_going_is_left_out(world: Incoming, anna: Person, ben: Person) -> None:
    gone = await world.person("gone")
    await make_group(world, "team", anna, ben, gone)
    await disable(world, ben)
    await forget_addresses(world, gone)
    await world.send(anna, TEAM)
    await world.work()
    assert await world.bring(letter(1), "team") == [""]
    assert await counts(world, anna, ben, gone) == [2, 0, 0]
    assert world.group_mail.missed == 0


async def test_a_group_that_is_disabled_takes_no_mail_for_anybody(world: Incoming, anna: Person, ben: Person) -> None:
    await disable(world, await make_group(world, "team", ben))
    sent = await world.send(anna, TEAM)
    await world.work()
    assert states(await world.submission(anna, sent.id)) == {TEAM: (records.DELIVERY_STATE_FAILED, "5.2.1")}
    assert await world.find(TEAM) == ["ACCOUNT_DISABLED"]
    assert await counts(world, ben) == [0]


async def test_a_member_whose_mailbox_is_full_is_counted_and_nobody_s_trouble(world: Incoming, anna: Person) -> None:
    full = await world.person("full", quota=100)
    team = await make_group(world, "team", full, anna)
    sent = await world.send(anna, TEAM)
    await world.work()
    assert states(await world.submission(anna, sent.id)) == {TEAM: DELIVERED}
    assert await world.bring(letter(1), "team") == [""]
    assert await counts(world, team, anna, full) == [2, 2, 0]
    [figure] = await GroupFigures(world.group_mail).families()
    assert [sample.value for sample in figure.samples] == [2]


async def test_what_a_member_can_not_have_is_told_to_who_named_them(world: Incoming, anna: Person) -> None:
    await make_group(world, "team", await world.person("full", quota=100), anna)
    sent = await world.send(anna, "full@rookery.example", TEAM)
    await world.work()
    assert states(await world.submission(anna, sent.id)) == {"full@rookery.example": FULL, TEAM: DELIVERED}
    assert await world.bring(letter(1), "team", "full") == ["", "QUOTA_EXCEEDED"]


async def test_a_group_that_is_full_itself_refuses_its_own_copy_alone(world: Incoming, anna: Person, ben: Person) -> None:
    team = await make_group(world, "team", ben, quota=100)
    sent = await world.send(anna, TEAM)
    await world.work()
    assert states(await world.submission(anna, sent.id)) == {TEAM: FULL}
    assert await world.find(TEAM, size=5000) == ["found"]
    assert await world.bring(letter(1), "team") == ["QUOTA_EXCEEDED"]
    assert await counts(world, team, ben) == [0, 2]
    account_id = team.caller.account_id
    await world.database.write(lambda transaction: accounts.set_quota(transaction.connection, account_id, 0))
    await world.send_again(anna, sent.id)
    await world.work()
    assert await world.bring(letter(1), "team") == [""]
    assert states(await world.submission(anna, sent.id)) == {TEAM: DELIVERED}
    assert await counts(world, team, ben) == [2, 2]


@ON_BOTH
async def test_a_full_group_without_members_is_refused_before_its_mail_is_sent(world: Incoming, anna: Person) -> None:
    await make_group(world, "team", anna, quota=100)
    await make_group(world, "all", quota=100)
    await world.alias(await make_group(world, "staff", quota=100), "postmaster")
    assert await world.find(TEAM, ALL, "postmaster", size=0) == ["found", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED"]


@ON_BOTH
async def test_a_full_group_is_refused_before_its_mail_is_sent_if_nobody_of_it_can_have_it(world: Incoming, anna: Person) -> None:
    await make_group(world, "team", anna, await world.person("full", quota=100), quota=100)
    assert await world.find(TEAM, size=0) == ["found"]
    await disable(world, anna)
    assert await world.find(TEAM, size=0) == ["QUOTA_EXCEEDED"]


async def test_only_a_full_group_whose_members_have_the_message_says_so(world: Incoming) -> None:
    await make_group(world, "team", await world.person("full", quota=100), quota=100)
    await make_group(world, "all", await world.person("ben"), quota=100)
    recipients = [each for each in await world.recipients.find([TEAM, ALL]) if isinstance(each, Recipient)]
    hop = Hop("mx.elsewhere.example", "192.0.2.1", "mx.rookery.example", "ESMTPS", "42", 0)
    outcomes = await world.deliveries.deliver(Arrival(SENDER, letter(1), hop, trusted=True), recipients)
    assert [each and (each.reason, deliveries.reached_members(each)) for each in outcomes] == [
        ("QUOTA_EXCEEDED", False),
        ("QUOTA_EXCEEDED", True),
    ]


@ON_BOTH
async def test_a_member_s_trouble_that_passes_is_tried_again_and_nobody_has_two(
    world: Incoming, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    team, everybody = await make_group(world, "team", anna, ben), await make_group(world, "all", anna)
    real_id, real_bring = local_delivery._item_id, bringing.bring

    def busy(mailbox_uid: bytes) -> None:
        if mailbox_uid == ben.mailbox:
            raise Unavailable("DATABASE_BUSY", "not now")

    def item_id(claimed: Any, mailbox_uid: bytes) -> bytes:
        busy(mailbox_uid)
        return real_id(claimed, mailbox_uid)

    def bring(transaction: Any, mailbox_uid: bytes, *more: Any) -> Any:
        busy(mailbox_uid)
        return real_bring(transaction, mailbox_uid, *more)

    sent = await world.send(anna, TEAM, ALL)
    with monkeypatch.context() as broken:
        broken.setattr(local_delivery, "_item_id", item_id)
        broken.setattr(deliveries, "bring", bring)
        await world.work()
        assert await world.bring(letter(1), "team", "all") == ["DATABASE_BUSY", ""]
    assert await counts(world, team, everybody, anna, ben) == [2, 2, 2, 0]
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_PENDING
    world.clock.advance(seconds=60)
    await world.work()
    assert states(await world.submission(anna, sent.id)) == {TEAM: DELIVERED, ALL: DELIVERED}
    assert await world.bring(letter(1), "team", "all") == ["", ""]
    assert await counts(world, team, everybody, anna, ben) == [2, 2, 2, 2]
    assert world.group_mail.missed == 0


async def test_members_are_looked_up_for_groups_alone(world: Incoming, anna: Person, ben: Person) -> None:
    await make_group(world, "team", ben)

    async def deliver(*names: str) -> int:
        await world.send(anna, *(f"{name}@rookery.example" for name in names))
        with noted() as texts:
            await world.work()
            await world.bring(letter(len(names)), *names)
        return sum("group_member" in text for text in texts)

    assert await deliver("ben") == 0
    assert await deliver("ben", "team") == 2

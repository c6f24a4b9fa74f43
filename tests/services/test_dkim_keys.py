"""Keys for DKIM: made, activated and deleted by administrators, and what leaves for elsewhere is signed with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import dkim
import pytest
from sqlalchemy import update

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import dkim_service_pb2 as messages
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from rookery_core.rules.ids import text_of
from rookery_server.gateway.carriers import CaptureCarrier
from rookery_server.services.accounts.directory import Directory
from rookery_server.services.caller import MACHINE_ADMINISTRATOR
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.signing.dkim_administration import DkimAdministration
from rookery_server.services.signing.key_ring import REMEMBERED_SECONDS, KeyRing
from rookery_server.store.tables import dkim_key
from tests.support.mail import MailWorld

if TYPE_CHECKING:
    import pathlib

    from rookery_server.store.database import Database
    from tests.support.world import Person

RSA, ED25519 = messages.DKIM_ALGORITHM_RSA, messages.DKIM_ALGORITHM_ED25519
DOMAIN = "rookery.example"
BOSS = MACHINE_ADMINISTRATOR


class Office(MailWorld):
    """A world whose keys are looked after."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.administration = DkimAdministration(database, self.operations, self.keys, self.clock)

    async def make(self, selector: str = "", algorithm: int = ED25519, **fields: object) -> messages.DkimKey:
        request = messages.CreateDkimKeyRequest(domain=DOMAIN, selector=selector, operation_id=self.ids.new())
        request.algorithm = messages.DkimAlgorithm.ValueType(algorithm)
        request.MergeFrom(messages.CreateDkimKeyRequest(**fields))  # type: ignore[arg-type]
        answer = await self.administration.create_dkim_key(BOSS, request)
        return messages.CreateDkimKeyResponse.FromString(answer).key

    async def listed(self, domain: str = "") -> list[messages.DkimKey]:  # type: ignore[override]
        return list((await self.administration.list_dkim_keys(BOSS, messages.ListDkimKeysRequest(domain=domain))).keys)

    async def switch(self, selector: str, *, active: bool) -> messages.DkimKey:
        request = messages.SetDkimKeyActiveRequest(operation_id=self.ids.new(), domain=DOMAIN, selector=selector, active=active)
        return messages.SetDkimKeyActiveResponse.FromString(await self.administration.set_dkim_key_active(BOSS, request)).key

    async def delete_key(self, selector: str) -> None:
        request = messages.DeleteDkimKeyRequest(operation_id=self.ids.new(), domain=DOMAIN, selector=selector)
        await self.administration.delete_dkim_key(BOSS, request)

    async def captured(self, person: Person, folder: pathlib.Path, **fields: object) -> bytes:
        """A message as it leaves, without the envelope before it."""
        sent = await self.send(person, "a@one.example", **fields)
        await self.work(CaptureCarrier(self.leaving, folder))
        data = await asyncio.to_thread((folder / f"{text_of(sent.id)}.0.eml").read_bytes)
        return data.split(b"X-Rookery-Recipients: a@one.example\r\n", 1)[1]


@pytest.fixture
def world(database: Database) -> Office:
    return Office(database)


def is_signed(message: bytes, *keys: messages.DkimKey) -> bool:
    """By all of the keys, in dkimpy's judgement, and by no other."""
    records = {f"{key.record_name}.".encode(): key.record_value.encode() for key in keys}
    verified = [dkim.DKIM(message).verify(idx=place, dnsfunc=lambda name, timeout=5: records[name]) for place in range(len(keys))]
    return all(verified) and message.count(b"DKIM-Signature:") == len(keys)


async def test_a_key_is_made_and_tells_its_record(world: Office, anna: Person) -> None:
    del anna
    key = await world.make(algorithm=messages.DKIM_ALGORITHM_UNSPECIFIED)
    assert (key.domain, key.selector, key.algorithm, key.active) == (DOMAIN, "r20250615", RSA, False)
    assert key.record_name == "r20250615._domainkey.rookery.example"
    assert key.record_value.startswith("v=DKIM1; k=rsa; p=MII")
    other = await world.make(domain=" Rookery.Example ", selector="Second")
    assert other.selector == "second" and other.record_value.startswith("v=DKIM1; k=ed25519; p=")
    assert await world.listed() == await world.listed("ROOKERY.example") == [key, other]
    assert await world.listed("elsewhere.example") == []


async def test_what_can_not_be_a_key_is_refused(world: Office, anna: Person) -> None:
    del anna
    await world.make("one")
    for fields, error, reason in (
        ({"selector": "one"}, AlreadyExists, "DKIM_KEY_EXISTS"),
        ({"selector": "a b"}, InvalidArgument, "SELECTOR_INVALID"),
        ({"selector": "x", "domain": "nowhere.example"}, NotFound, "DOMAIN_NOT_FOUND"),
        ({"selector": "x", "domain": "no domain"}, InvalidArgument, "ADDRESS_INVALID"),
    ):
        with pytest.raises(error) as caught:
            await world.make(**fields)  # type: ignore[arg-type]
        assert caught.value.reason == reason
    with pytest.raises(NotFound, match="no key two"):
        await world.switch("two", active=True)
    with pytest.raises(NotFound, match="no key two"):
        await world.delete_key("two")
    assert [key.selector for key in await world.listed()] == ["one"]


async def test_only_administrators_look_after_keys(world: Office, anna: Person) -> None:
    which = {"operation_id": world.ids.new(), "domain": DOMAIN, "selector": "x"}
    service = world.administration
    for call in (
        service.create_dkim_key(anna.caller, messages.CreateDkimKeyRequest(**which)),  # type: ignore[arg-type]
        service.list_dkim_keys(anna.caller, messages.ListDkimKeysRequest()),
        service.set_dkim_key_active(anna.caller, messages.SetDkimKeyActiveRequest(**which)),  # type: ignore[arg-type]
        service.delete_dkim_key(anna.caller, messages.DeleteDkimKeyRequest(**which)),  # type: ignore[arg-type]
    ):
        with pytest.raises(PermissionDenied):
            await call


async def test_a_repeated_creation_gives_the_first_key(world: Office, anna: Person) -> None:
    del anna
    request = messages.CreateDkimKeyRequest(operation_id=world.ids.new(), domain=DOMAIN, algorithm=ED25519)
    first = await world.administration.create_dkim_key(BOSS, request)
    assert await world.administration.create_dkim_key(BOSS, request) == first
    assert len(await world.listed()) == 1


async def test_mail_is_signed_with_all_active_keys_and_with_no_other(world: Office, anna: Person, tmp_path: pathlib.Path) -> None:
    rsa, ed25519, idle = await world.make("r", RSA), await world.make("e"), await world.make("idle")
    assert is_signed(await world.captured(anna, tmp_path))
    await world.switch("r", active=True)
    await world.switch("e", active=True)
    message = await world.captured(anna, tmp_path)
    assert is_signed(message, ed25519, rsa), "changes made here count at once"
    await world.switch("r", active=False)
    await world.delete_key("idle")
    assert is_signed(await world.captured(anna, tmp_path), ed25519)
    await world.delete_key("e")
    assert is_signed(await world.captured(anna, tmp_path))
    assert [key.selector for key in await world.listed()] == ["r"] and idle.selector == "idle"


async def test_a_change_of_another_process_counts_after_a_minute(world: Office, anna: Person, tmp_path: pathlib.Path) -> None:
    key = await world.make("e")
    assert is_signed(await world.captured(anna, tmp_path))
    elsewhere = DkimAdministration(world.database, world.operations, KeyRing(world.database, world.clock), world.clock)
    request = messages.SetDkimKeyActiveRequest(operation_id=world.ids.new(), domain=DOMAIN, selector="e", active=True)
    await elsewhere.set_dkim_key_active(BOSS, request)
    assert is_signed(await world.captured(anna, tmp_path))
    world.clock.advance(seconds=REMEMBERED_SECONDS + 1)
    assert is_signed(await world.captured(anna, tmp_path), key)


async def test_a_large_message_is_signed_as_it_streams_by(world: Office, anna: Person, tmp_path: pathlib.Path) -> None:
    key = await world.make("e")
    await world.switch("e", active=True)
    message = await world.captured(anna, tmp_path, text="A line of text that is rather long, as lines go.\n" * 12_000)
    assert len(message) > 500_000
    assert is_signed(message, key)


async def test_a_broken_key_stops_no_mail(world: Office, anna: Person, tmp_path: pathlib.Path) -> None:
    good, broken = await world.make("good"), await world.make("broken")
    for key in (good, broken):
        await world.switch(key.selector, active=True)
    damage = update(dkim_key).where(dkim_key.c.selector == "broken").values(private_key=b"damaged")
    await world.database.write(lambda transaction: transaction.connection.execute(damage).rowcount)
    assert is_signed(await world.captured(anna, tmp_path), good)
    assert [(key.selector, bool(key.record_value)) for key in await world.listed()] == [("broken", False), ("good", True)]


async def test_private_keys_stay_in_the_store(world: Office, anna: Person, capfd: pytest.CaptureFixture[str]) -> None:
    del anna
    await world.make("e")
    [row] = await world.database.read(lambda connection: list(connection.execute(dkim_key.select())))
    secret = row.private_key[-32:]
    shown = b"".join(key.SerializeToString() for key in await world.listed())
    assert secret not in shown and secret.hex() not in "".join(capfd.readouterr())
    assert "private" not in repr(await world.keys.active(DOMAIN))


async def test_a_domain_goes_with_its_keys(world: Office, anna: Person) -> None:
    del anna
    directory = Directory(world.database, world.operations, PageTokens(b"k" * 32), world.clock)
    create = admin.CreateDomainRequest(operation_id=world.ids.new(), domain=admin.Domain(name="idle.example"))
    await directory.create_domain(BOSS, create)
    await world.make("x", domain="idle.example")
    await world.make("x")
    with pytest.raises(FailedPrecondition):
        await directory.delete_domain(BOSS, admin.DeleteDomainRequest(operation_id=world.ids.new(), name=DOMAIN))
    await directory.delete_domain(BOSS, admin.DeleteDomainRequest(operation_id=world.ids.new(), name="idle.example"))
    assert [key.domain for key in await world.listed()] == [DOMAIN]

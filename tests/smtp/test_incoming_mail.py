"""Mail that comes in to a whole server, by LMTP and SMTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rookery_core.errors import InvalidArgument, RookeryError
from tests.gateway.postfix import free_port
from tests.smtp.lmtp import lmtp
from tests.smtp.mail_server import NAME, mail_server, trusting

if TYPE_CHECKING:
    import pathlib
    import smtplib

    from tests.gateway.certificates import Authority

FAR = "far@elsewhere.test"


def letter(number: int, *more: str) -> bytes:
    lines = [f"Message-ID: <{number}@elsewhere.test>", f"From: {FAR}", f"Subject: {number:04}", *more, "", "Hello.", ".dot", ""]
    return "\r\n".join(lines).encode()


async def test_lmtp_answers_for_each_recipient(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna, _, _ = [await server.running.add_person(name) for name in ("anna", "ben", "cleo")]
        full = await server.running.add_person("full", quota_bytes=3500)

        def deliver() -> list[list[str]]:
            names = ("anna", "nobody", "ben", "full", "Anna+tag", "postmaster")
            everybody = [*(f"{name}@rookery.test" for name in names), "anna@elsewhere.test"]
            with lmtp(server.where("lmtp")) as client:
                return [
                    client.deliver(FAR, everybody, letter(1)),
                    client.deliver(FAR, everybody, letter(1)),
                    client.deliver("", ["full@rookery.test"], letter(2, *["X: " + "y" * 300] * 10)),
                    client.deliver(FAR, ["nobody@rookery.test"], letter(3)),
                ]

        said = await asyncio.to_thread(deliver)
        taken = ["250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5", "250 2.1.5", "550 5.1.1", "550 5.1.2"]
        assert said == [taken, taken, ["552 5.2.2"], ["550 5.1.1"]]
        [came] = await server.within(anna)
        kept = await server.original(anna, came)
        assert kept.endswith(letter(1)) and kept.startswith(b"Return-Path: <far@elsewhere.test>\r\nReceived: from front.test (")
        assert f"\tby {NAME} with LMTP id ".encode() in kept
        assert [item.summary.subject for item in await server.within(full)] == ["0001"]


async def test_smtp_takes_mail_for_people_here_and_for_nobody_else(tmp_path: pathlib.Path, authority: Authority) -> None:
    async with mail_server(tmp_path, authority) as server:
        anna, ben = [await server.running.add_person(name) for name in ("anna", "ben")]

        def talk(client: smtplib.SMTP) -> tuple[int, dict[str, Any]]:
            client.starttls(context=trusting(authority))
            client.ehlo("client.test")
            relayed = client.docmd("MAIL", f"FROM:<{FAR}>") and client.docmd("RCPT", "TO:<other@elsewhere.test>")
            client.rset()
            recipients = ["anna@rookery.test", "ben@rookery.test", "nobody@rookery.test", "other@elsewhere.test"]
            return relayed[0], client.sendmail(FAR, recipients, letter(1))

        relayed, refused = await server.smtp("smtp", talk)
        assert relayed == 550
        assert {address: (code, text[:5]) for address, (code, text) in refused.items()} == {
            "nobody@rookery.test": (550, b"5.1.1"),
            "other@elsewhere.test": (550, b"5.7.1"),
        }
        for person in (anna, ben):
            [came] = await server.within(person)
            kept = await server.original(person, came)
            assert b" with ESMTPS id " in kept and b"for <" not in kept


async def test_when_one_of_several_became_full_the_sender_comes_again_and_nobody_has_it_twice(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna")
        await server.running.add_person("full", quota_bytes=3000)
        both, large = ["anna@rookery.test", "full@rookery.test"], letter(1, *["X: " + "y" * 300] * 10)

        def send(client: smtplib.SMTP) -> int:
            client.helo("client.test")  # without extensions, so that nobody learns the size beforehand
            client.mail(FAR)
            assert [client.rcpt(each)[0] for each in both] == [250, 250]
            return client.data(large)[0]

        assert await server.smtp("smtp", send) == 451
        assert len(await server.within(anna)) == 1

        def again(client: smtplib.SMTP) -> dict[str, Any]:
            return client.sendmail(FAR, both, large)

        refused = await server.smtp("smtp", again)
        assert list(refused) == ["full@rookery.test"] and refused["full@rookery.test"][0] == 552
        assert len(await server.within(anna)) == 1


async def test_who_was_accepted_stays_so_though_a_repeated_rcpt_is_refused(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna", quota_bytes=8000)
        another = letter(2, *["X: " + "y" * 300] * 13)

        def send(client: smtplib.SMTP) -> list[int]:
            client.ehlo("client.test")
            client.mail(FAR, ["SIZE=3000"])
            said = [client.rcpt("anna@rookery.test")[0]]
            with lmtp(server.where("lmtp")) as front:
                assert front.deliver(FAR, ["anna@rookery.test"], another) == ["250 2.1.5"]
            return [*said, client.rcpt("anna@rookery.test")[0], client.data(letter(1))[0]]

        assert await server.smtp("smtp", send) == [250, 552, 250]
        assert sorted(item.summary.subject for item in await server.within(anna, count=2)) == ["0001", "0002"]


async def test_what_a_trusted_relay_found_out_is_kept(tmp_path: pathlib.Path) -> None:
    results = f"{NAME}; spf=pass smtp.mailfrom=elsewhere.test"
    found = {}
    for relays in ("", "192.0.2.0/24", "127.0.0.0/8, ::1"):
        folder = tmp_path / (relays[:3] or "none")
        folder.mkdir()
        async with mail_server(folder, trusted_authserv=NAME.upper(), trusted_relays=relays) as server:
            anna = await server.running.add_person("anna")
            assert await server.sends(FAR, ["anna@rookery.test"], letter(1, f"Authentication-Results: {results}")) == {}
            [came] = await server.within(anna)
            found[relays] = list(came.content.message.authentication_results)
    assert found == {"": [], "192.0.2.0/24": [], "127.0.0.0/8, ::1": [results]}


async def test_lmtp_comes_by_a_socket_too(tmp_path: pathlib.Path) -> None:
    socket = tmp_path / "lmtp.sock"
    async with mail_server(tmp_path, lmtp=str(socket)) as server:
        anna = await server.running.add_person("anna")

        def deliver() -> list[str]:
            with lmtp(socket) as client:
                return client.deliver(FAR, ["anna@rookery.test"], letter(1))

        assert await asyncio.to_thread(deliver) == ["250 2.1.5"]
        [came] = await server.within(anna)
        assert b"Received: from front.test\r\n\tby " in await server.original(anna, came)
    assert not socket.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lmtp": "0.0.0.0:0"}, "--trusted-relays"),
        ({"submission": "0.0.0.0:0"}, "passwords"),
        ({"submissions": "127.0.0.1:0"}, "certificate"),
        ({"smtp": "192.0.2.1:0"}, "can not listen"),
    ],
)
async def test_a_listener_that_would_be_a_danger_does_not_start(
    tmp_path: pathlib.Path, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        async with mail_server(tmp_path, None, **settings):
            pass
    assert refused.value.reason == "FIELD_INVALID"


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_running(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as first:
        host, port = first.where("smtp")
        (tmp_path / "second").mkdir()
        with pytest.raises(RookeryError) as refused:
            async with mail_server(tmp_path / "second", smtp=f"{host}:{port}"):
                pass
    assert refused.value.reason == "ADDRESS_IN_USE"


async def test_strangers_on_an_open_lmtp_port_are_turned_away(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path, lmtp="0.0.0.0:0", trusted_relays="192.0.2.1") as server:
        await server.running.add_person("anna")
        port = server.where("lmtp")[1]

        def deliver(host: str) -> list[str]:
            with lmtp((host, port)) as client:
                return client.deliver(FAR, ["anna@rookery.test"], letter(1))

        assert await asyncio.to_thread(deliver, "127.0.0.1") == ["250 2.1.5"]


@pytest.mark.postgresql
async def test_two_processes_on_one_database_share_the_port_and_know_each_other_s_deliveries(
    tmp_path: pathlib.Path, postgresql_url: str
) -> None:
    port = free_port()
    shared = {"database_url": postgresql_url, "lmtp": f"127.0.0.1:{port}"}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with mail_server(tmp_path / "one", None, **shared) as first, mail_server(tmp_path / "two", None, **shared) as second:
        anna = await first.running.add_person("anna")

        def deliver() -> list[str]:
            said = []
            for number in range(24):
                with lmtp(("127.0.0.1", port)) as client:
                    said += client.deliver(FAR, ["anna@rookery.test"], letter(number // 2))
            return said

        assert await asyncio.to_thread(deliver) == ["250 2.1.5"] * 24
        assert [item.summary.subject for item in await second.within(anna)] == [f"{number:04}" for number in range(12)]

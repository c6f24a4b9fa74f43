"""Mail that comes in for groups, by LMTP and SMTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from tests.smtp.lmtp import lmtp
from tests.smtp.mail_server import mail_server
from tests.smtp.test_incoming_mail import FAR, letter

if TYPE_CHECKING:
    import pathlib

TEAM, ANNA, BEN = "team@rookery.test", "anna@rookery.test", "ben@rookery.test"


async def test_lmtp_answers_once_for_a_group_whose_members_have_the_message(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna, ben = [await server.running.add_person(name) for name in ("anna", "ben")]
        team = await server.running.add_person("team", kind=ACCOUNT_KIND_GROUP, members=[ANNA, BEN], quota_bytes=3500)
        large = letter(2, *["X: " + "y" * 300] * 10)

        def deliver() -> list[list[str]]:
            with lmtp(server.where("lmtp")) as client:
                return [client.deliver(FAR, [TEAM, ANNA], letter(1)), client.deliver(FAR, [ANNA, TEAM], large)]

        assert await asyncio.to_thread(deliver) == [["250 2.1.5", "250 2.1.5"], ["250 2.1.5", "552 5.2.2"]]
        for person in (anna, ben):
            assert [item.summary.subject for item in await server.within(person)] == ["0001", "0002"]
        assert [item.summary.subject for item in await server.within(team)] == ["0001"]


async def test_by_smtp_a_group_that_is_full_itself_does_not_have_the_others_mail_sent_again(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna, ben = [await server.running.add_person(name) for name in ("anna", "ben")]
        team = await server.running.add_person("team", kind=ACCOUNT_KIND_GROUP, members=[BEN], quota_bytes=100)
        assert await server.sends(FAR, [ANNA, TEAM], letter(1)) == {}
        for person in (anna, ben):
            assert [item.summary.subject for item in await server.within(person)] == ["0001"]
        assert await server.within(team) == []

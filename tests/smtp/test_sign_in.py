"""AUTH: who may, when, and what is said to those who may not."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import ResourceExhausted, Unavailable
from rookery_server.smtp.receiving import Kind
from tests.smtp.engine import ANNA, ScriptedReceiver, running

if TYPE_CHECKING:
    import ssl

    from tests.gateway.certificates import Authority


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


RIGHT = b64("\0anna@rookery.test\0correct horse")
WRONG = b64("\0anna@rookery.test\0wrong")


async def test_nothing_is_sent_before_signing_in_and_nobody_signs_in_in_plain_text(
    authority: Authority, server_tls: ssl.SSLContext
) -> None:
    async with running(Kind.SUBMISSION, tls=server_tls) as server, server.client() as client:
        assert "AUTH" not in await client.hello()
        assert await client.say(f"AUTH PLAIN {RIGHT}") == "538 5.7.11 Encrypt first (STARTTLS)"
        assert await client.say("MAIL FROM:<anna@rookery.test>") == "530 5.7.0 Encrypt (STARTTLS) and sign in (AUTH) first"
        await client.start_tls(authority.client_context())
        assert await client.say(f"AUTH PLAIN {RIGHT}") == "503 5.5.1 Not now: EHLO comes first, MAIL afterwards, and once is enough"
        extensions = await client.say("EHLO client.test")
        assert "AUTH PLAIN LOGIN" in extensions
        assert "BINARYMIME" not in extensions
        assert await client.say("MAIL FROM:<anna@rookery.test>") == "530 5.7.0 Sign in first (AUTH)"
        assert await client.say(f"AUTH PLAIN {RIGHT}") == "235 2.7.0 Welcome"
        assert (await client.say(f"AUTH PLAIN {RIGHT}")).startswith("503 ")
        assert (await client.say("MAIL FROM:<anna@rookery.test> BODY=BINARYMIME")).startswith("501 ")
        await client.begin("stranger@other.test")
        assert await client.say(b".") == "250 2.0.0 Taken"
    [delivered] = server.receiver.delivered
    assert (delivered.protocol, delivered.session.account) == ("ESMTPSA", ANNA)


@pytest.mark.parametrize(
    ("dialogue", "reply"),
    [
        ([f"AUTH PLAIN {RIGHT}"], "235 2.7.0"),
        ([f"auth plain {RIGHT}"], "235 2.7.0"),
        (["AUTH PLAIN", RIGHT], "235 2.7.0"),
        ([f"AUTH PLAIN {b64(chr(0).join(['anna@rookery.test', 'anna@rookery.test', 'correct horse']))}"], "235 2.7.0"),
        (["AUTH LOGIN", b64("anna@rookery.test"), b64("correct horse")], "235 2.7.0"),
        ([f"AUTH LOGIN {b64('anna@rookery.test')}", b64("correct horse")], "235 2.7.0"),
        ([f"AUTH PLAIN {WRONG}"], "535 5.7.8"),
        ([f"AUTH PLAIN {b64(chr(0).join(['boss@rookery.test', 'anna@rookery.test', 'correct horse']))}"], "535 5.7.8"),
        (["AUTH PLAIN ="], "501 5.5.2"),
        (["AUTH PLAIN !!!!"], "501 5.5.2"),
        ([f"AUTH PLAIN {b64('anna')}"], "501 5.5.2"),
        (["AUTH PLAIN //79"], "501 5.5.2"),
        (["AUTH PLAIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", b64("anna@rookery.test"), "*"], "501 5.7.0"),
        (["AUTH LOGIN", "", ""], "535 5.7.8"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["AUTH"], "504 5.5.4"),
        (["AUTH PLAIN", "x" * 12_289], "500 5.5.2"),
    ],
)
async def test_exchanges(dialogue: list[str], reply: str) -> None:
    async with running(Kind.SUBMISSION, plaintext_passwords=True) as server, server.client() as client:
        assert "AUTH PLAIN LOGIN" in await client.hello()
        for line in dialogue[:-1]:
            assert (await client.say(line)).startswith("334 ")
        assert (await client.say(dialogue[-1]))[:9] == reply
        assert await client.say("NOOP") == "250 2.0.0 OK"
        assert (await client.say("MAIL FROM:<anna@rookery.test>"))[:9] == ("250 2.1.0" if reply == "235 2.7.0" else "530 5.7.0")


async def test_nobody_signs_in_in_the_midst_of_a_message() -> None:
    async with running(Kind.SUBMISSION, plaintext_passwords=True) as server, server.client() as client:
        await client.hello()
        await client.sign_in()
        await client.say("MAIL FROM:<anna@rookery.test>")
        assert (await client.sign_in()).startswith("503 5.5.1 ")


async def test_who_guesses_passwords_is_hung_up_on() -> None:
    async with running(Kind.SUBMISSION, plaintext_passwords=True, limits={"sign_ins": 2}) as server, server.client() as client:
        await client.hello()
        assert (await client.say(f"AUTH PLAIN {WRONG}")) == "535 5.7.8 Address or password is wrong"
        client.send(f"AUTH PLAIN {WRONG}")
        assert await client.codes(2) == [535, 421]
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ResourceExhausted("LOGIN_THROTTLED", "Too many wrong passwords"), "454 4.7.0 Too many wrong passwords"),
        (Unavailable("DATABASE_BUSY", "Busy"), "451 4.3.0 Busy"),
    ],
)
async def test_who_has_to_wait_is_told_so(error: Exception, reply: str) -> None:
    receiver = ScriptedReceiver(sign_in_fails=error)
    async with running(Kind.SUBMISSION, receiver, plaintext_passwords=True) as server, server.client() as client:
        await client.hello()
        assert await client.sign_in() == reply


async def test_a_password_is_not_followed_by_commands_in_one_breath() -> None:
    async with running(Kind.SUBMISSION, plaintext_passwords=True) as server, server.client() as client:
        await client.hello()
        client.send(f"AUTH PLAIN {RIGHT}", "MAIL FROM:<anna@rookery.test>")
        assert await client.reply() == "554 5.5.0 Wait for the answer to AUTH"

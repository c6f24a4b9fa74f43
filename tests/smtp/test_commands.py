"""Every command, at its time and at the wrong one."""

from __future__ import annotations

import pytest

from rookery_core.errors import PermissionDenied, ResourceExhausted, Unavailable
from rookery_server.smtp.receiving import Kind, Reply
from tests.smtp.engine import TAKEN, UNKNOWN, Client, ScriptedReceiver, running

MESSAGE = b"Subject: hello\r\n\r\nHello.\r\n"


async def test_a_message_from_greeting_to_farewell() -> None:
    async with running() as server, server.client() as client:
        assert await client.reply() == "220 mx.rookery.test ESMTP Rookery"
        assert await client.say("EHLO client.test") == (
            "250-mx.rookery.test|250-PIPELINING|250-SIZE 1000000|250-8BITMIME|250-SMTPUTF8|250-ENHANCEDSTATUSCODES|250-CHUNKING"
            "|250 BINARYMIME"
        )
        assert await client.say("MAIL FROM:<ben@other.test> SIZE=26 BODY=8BITMIME") == "250 2.1.0 Sender taken"
        assert await client.say("RCPT TO:<anna@rookery.test>") == "250 2.1.5 Recipient taken"
        assert (await client.say("DATA")).startswith("354 ")
        client.write(MESSAGE)
        assert await client.say(b".") == "250 2.0.0 Taken"
        assert await client.say("QUIT") == "221 2.0.0 Bye"
        assert await client.rest() == b""
    [delivered] = server.receiver.delivered
    assert delivered.message == MESSAGE
    assert (delivered.envelope.sender, delivered.envelope.recipients) == ("ben@other.test", ["anna@rookery.test"])
    assert (delivered.envelope.size, delivered.envelope.body, delivered.envelope.utf8) == (26, "8BITMIME", False)
    assert (delivered.protocol, delivered.session.hello, delivered.session.peer) == ("ESMTP", "client.test", "127.0.0.1")
    assert (server.counters.messages, server.counters.recipients, server.counters.message_bytes) == (1, 1, len(MESSAGE))


async def test_an_old_client_says_helo_and_gets_no_extensions() -> None:
    async with running() as server, server.client() as client:
        assert await client.hello("HELO") == "250 mx.rookery.test"
        assert await client.say("MAIL FROM:<ben@other.test> SIZE=10") == "555 5.5.4 The parameter SIZE is not known here"
        await client.begin()
        assert await client.say(b".") == "250 2.0.0 Taken"
    assert server.receiver.delivered[0].protocol == "SMTP"


async def test_lmtp_answers_for_each_recipient() -> None:
    receiver = ScriptedReceiver(answers=[TAKEN, Reply(452, "4.2.2", "Full")], refused={"nobody@rookery.test": UNKNOWN})
    async with running(Kind.LMTP, receiver) as server, server.client() as client:
        assert await client.reply() == "220 mx.rookery.test LMTP Rookery"
        await client.say("LHLO client.test")
        client.send(
            "MAIL FROM:<>", "RCPT TO:<anna@rookery.test>", "RCPT TO:<nobody@rookery.test>", "RCPT TO:<cleo@rookery.test>", "DATA"
        )
        assert await client.codes(5) == [250, 250, 550, 250, 354]
        client.send("Subject: x", ".")
        assert [await client.reply(), await client.reply()] == ["250 2.0.0 Taken", "452 4.2.2 Full"]
        await client.say("QUIT")
    assert receiver.delivered[0].envelope.recipients == ["anna@rookery.test", "cleo@rookery.test"]
    assert receiver.delivered[0].protocol == "LMTP"
    assert (server.counters.messages, server.counters.recipients) == (1, 1)
    assert server.counters.refusals == {550: 1, 452: 1}


async def test_lmtp_and_smtp_do_not_take_each_others_greeting() -> None:
    async with running(Kind.LMTP) as server, server.client() as client:
        assert (await client.hello("EHLO")).startswith("500 5.5.1 ")
        assert (await client.say("HELO client.test")).startswith("500 5.5.1 ")
    async with running() as server, server.client() as client:
        assert (await client.hello("LHLO")).startswith("500 5.5.1 ")


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<ben@other.test>"], "503 5.5.1 EHLO comes first"),
        (["RCPT TO:<anna@rookery.test>"], "503 5.5.1 MAIL comes first"),
        (["DATA"], "503 5.5.1 MAIL and RCPT come first"),
        (["EHLO c.test", "RCPT TO:<anna@rookery.test>"], "503 5.5.1 MAIL comes first"),
        (["EHLO c.test", "DATA"], "503 5.5.1 MAIL and RCPT come first"),
        (["EHLO c.test", "MAIL FROM:<b@o.test>", "DATA"], "503 5.5.1 No recipient was taken"),
        (["EHLO c.test", "MAIL FROM:<b@o.test>", "RCPT TO:<nobody@rookery.test>", "DATA"], "503 5.5.1 No recipient was taken"),
        (
            ["EHLO c.test", "MAIL FROM:<b@o.test>", "MAIL FROM:<b@o.test>"],
            "503 5.5.1 A message is under way already: RSET gives it up",
        ),
        (["EHLO c.test", "MAIL FROM:<b@o.test>", "RSET", "RCPT TO:<anna@rookery.test>"], "503 5.5.1 MAIL comes first"),
        (["EHLO c.test", "MAIL FROM:<b@o.test>", "EHLO c.test", "RCPT TO:<anna@rookery.test>"], "503 5.5.1 MAIL comes first"),
        (["EHLO c.test", "MAIL FROM:<b@o.test>", "NOOP", "RCPT TO:<anna@rookery.test>"], "250 2.1.5 Recipient taken"),
        (["EHLO c.test", "STARTTLS"], "502 5.5.1 No encryption here"),
        (["EHLO c.test", "AUTH PLAIN AA=="], "502 5.5.1 Nobody signs in here"),
        (["EHLO"], "501 5.5.4 Can not read that: give your host's name or its address in brackets"),
        (["ehlo [IPv6:::1]", "mail from:<b@o.test>"], "250 2.1.0 Sender taken"),
        (["NOOP anything at all"], "250 2.0.0 OK"),
        (["HELP"], "214 2.0.0 See RFC 5321"),
        (["VRFY anna"], "252 2.0.0 Send a message, and see"),
        (["VRFY"], "501 5.5.4 VRFY whom?"),
        (["EXPN everybody"], "502 5.5.1 Lists are not shown"),
        (["RSET now"], "501 5.5.4 RSET stands alone"),
        (["DATA now"], "501 5.5.4 DATA stands alone"),
        (["QUIT now"], "501 5.5.4 QUIT stands alone"),
        (["TURN"], "500 5.5.2 Not a command that is known here"),
        ([""], "500 5.5.2 Not a command that is known here"),
        (["NOOP\x00"], "500 5.5.2 A command has no control characters"),
        (["NOOP\rRSET"], "500 5.5.2 A command has no control characters"),
        (["NO\tOP"], "500 5.5.2 A command has no control characters"),
        (["NOOP " + "x" * 2043], "250 2.0.0 OK"),
        (["NOOP " + "x" * 2044], "500 5.5.2 Line too long: 2048 bytes are the most"),
        (["NOOP " + "x" * 1_000_000], "500 5.5.2 Line too long: 2048 bytes are the most"),
    ],
)
async def test_what_is_said_at_the_wrong_time_or_in_the_wrong_way(commands: list[str], reply: str) -> None:
    receiver = ScriptedReceiver(refused={"nobody@rookery.test": UNKNOWN})
    async with running(receiver=receiver) as server, server.client() as client:
        await client.reply()
        for command in commands[:-1]:
            await client.say(command)
        assert await client.say(commands[-1]) == reply
        assert await client.say("NOOP") == "250 2.0.0 OK"


async def test_a_line_that_ends_in_lf_alone_is_answered_and_not_obeyed() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        client.write(b"MAIL FROM:<ben@other.test>\n")
        assert await client.reply() == "500 5.5.2 Lines end in CRLF"
        assert await client.say("RCPT TO:<anna@rookery.test>") == "503 5.5.1 MAIL comes first"
    assert server.receiver.senders == []


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("FROM:<ben@other.test> SIZE=1000000", "250 2.1.0"),
        ("FROM:<ben@other.test> SIZE=1000001", "552 5.3.4"),
        ("FROM:<ben@other.test> SIZE=99999999999999999999", "552 5.3.4"),
        ("FROM:<ben@other.test> SIZE=", "501 5.5.4"),
        ("FROM:<ben@other.test> SIZE=-1", "501 5.5.4"),
        ("FROM:<ben@other.test> SIZE=1 SIZE=2", "501 5.5.4"),
        ("FROM:<ben@other.test> BODY=7BIT", "250 2.1.0"),
        ("FROM:<ben@other.test> body=8bitmime size=5", "250 2.1.0"),
        ("FROM:<ben@other.test> BODY=BINARYMIME", "250 2.1.0"),
        ("FROM:<ben@other.test> BODY=9BIT", "501 5.5.4"),
        ("FROM:<ben@other.test> BODY", "501 5.5.4"),
        ("FROM:<ben@other.test> SMTPUTF8", "250 2.1.0"),
        ("FROM:<ben@other.test> SMTPUTF8=yes", "501 5.5.4"),
        ("FROM:<ben@other.test> AUTH=<>", "250 2.1.0"),
        ("FROM:<ben@other.test> RET=HDRS", "555 5.5.4"),
        ("FROM:<ben@other.test> ENVID=1", "555 5.5.4"),
        ("FROM:<ben@other.test> =", "501 5.5.4"),
        ("FROM:<ben@other.test>SIZE=1", "501 5.5.4"),
        ("FROM:<b\N{LATIN SMALL LETTER E WITH ACUTE}n@other.test>", "553 5.6.7"),
        ("FROM:<b\N{LATIN SMALL LETTER E WITH ACUTE}n@other.test> SMTPUTF8", "250 2.1.0"),
        ("FROM:<>", "250 2.1.0"),
        ("FROM: <ben@other.test>", "250 2.1.0"),
        ("FROM:ben@other.test", "501 5.5.4"),
        ("TO:<ben@other.test>", "501 5.5.4"),
        ("", "501 5.5.4"),
    ],
)
async def test_parameters_of_mail(argument: str, reply: str) -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        assert (await client.say(f"MAIL {argument}"))[:9] == reply


@pytest.mark.parametrize(
    ("argument", "reply"),
    [
        ("TO:<anna@rookery.test>", "250 2.1.5"),
        ("TO:<Postmaster>", "250 2.1.5"),
        ("TO:<>", "501 5.1.3"),
        ("TO:<anna>", "501 5.1.3"),
        ("TO:anna@rookery.test", "501 5.1.3"),
        ("TO:<anna@rookery.test> NOTIFY=NEVER", "555 5.5.4"),
        ("TO:<anna@rookery.test> ORCPT=rfc822;a@b.test", "555 5.5.4"),
        ("TO:<\N{LATIN SMALL LETTER A WITH DIAERESIS}@rookery.test>", "553 5.6.7"),
        ("FROM:<anna@rookery.test>", "501 5.1.3"),
    ],
)
async def test_parameters_of_rcpt(argument: str, reply: str) -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        await client.say("MAIL FROM:<ben@other.test>")
        assert (await client.say(f"RCPT {argument}"))[:9] == reply


async def test_bytes_that_are_no_utf8_are_no_address() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        assert (await client.say(b"MAIL FROM:<b\xe9n@other.test> SMTPUTF8")) == "501 5.5.4 Can not read that: it is not UTF-8"


async def test_recipients_that_come_together_are_looked_up_together_and_answered_in_their_order() -> None:
    receiver = ScriptedReceiver(refused={"nobody@rookery.test": UNKNOWN})
    async with running(receiver=receiver) as server, server.client() as client:
        await client.hello()
        names = ["anna@rookery.test", "nobody@rookery.test", "no address", "cleo@rookery.test"]
        client.send("MAIL FROM:<b@o.test>", *(f"rcpt TO:<{name}>" for name in names), "NOOP", "RCPT TO:<dora@rookery.test>")
        assert await client.codes(7) == [250, 250, 550, 501, 250, 250, 250]
    assert receiver.asked == [["anna@rookery.test", "nobody@rookery.test", "cleo@rookery.test"], ["dora@rookery.test"]]


async def test_a_recipient_is_read_the_same_alone_and_behind_others() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        client.send("MAIL FROM:<b@o.test>", *["RCPT   TO: <anna@rookery.test>  "] * 3)
        assert await client.codes(4) == [250] * 4


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (Unavailable("DATABASE_BUSY", "The database is busy"), "451 4.3.0 The database is busy"),
        (ResourceExhausted("QUOTA_EXCEEDED", "The mailbox is full"), "552 5.2.2 The mailbox is full"),
        (PermissionDenied("SENDER_NOT_ALLOWED", "Not your address"), "550 5.7.1 Not your address"),
        (RuntimeError("a defect"), "451 4.3.0 This server failed to handle it, please try again later"),
    ],
)
async def test_what_the_receiver_raises_is_answered_at_the_step_where_it_happens(error: Exception, reply: str) -> None:
    receiver = ScriptedReceiver(refuse_sender=error)
    async with running(Kind.LMTP, receiver) as server, server.client() as client:
        await client.hello("LHLO")
        assert await client.say("MAIL FROM:<b@o.test>") == reply
        receiver.refuse_sender, receiver.refused = None, {"anna@rookery.test": error}
        await client.say("MAIL FROM:<b@o.test>")
        assert await client.say("RCPT TO:<anna@rookery.test>") == reply
        receiver.refused, receiver.answers = {}, error
        await client.say("RCPT TO:<anna@rookery.test>", "RCPT TO:<cleo@rookery.test>")
        await client.say("DATA")
        client.send(".")
        assert [await client.reply(), await client.reply()] == [reply] * 2
        receiver.answers = None
        await client.begin()
        assert await client.say(b".") == "250 2.0.0 Taken"


async def test_a_receiver_that_answers_for_fewer_than_it_was_asked_for_has_taken_nothing() -> None:
    async with running(Kind.LMTP, ScriptedReceiver(answers=[TAKEN])) as server, server.client() as client:
        await client.ready("LHLO", "anna@rookery.test", "cleo@rookery.test")
        client.send(".")
        assert await client.codes(2) == [451, 451]
    assert server.counters.messages == 0


async def chunks(client: Client, *pieces: bytes, size: int = 7) -> list[int]:
    """A message by BDAT, all of it in one write; gives the codes."""
    whole = b"".join(pieces)
    cut = [whole[at : at + size] for at in range(0, len(whole), size)]
    client.write(b"MAIL FROM:<b@o.test> BODY=BINARYMIME\r\nRCPT TO:<anna@rookery.test>\r\n")
    for piece in cut:
        client.write(b"BDAT %d\r\n%s" % (len(piece), piece))
    client.send("BDAT 0 LAST")
    return await client.codes(3 + len(cut))


async def test_chunks_make_a_message_of_any_bytes() -> None:
    message = b"..\r\n.\r\n\n\r\0\xff bare\nends\r" * 3
    async with running() as server, server.client() as client:
        await client.hello()
        assert await chunks(client, message) == [250] * (3 + -(-len(message) // 7))
        assert await client.say("NOOP") == "250 2.0.0 OK"
    assert server.receiver.messages == [message]


async def test_a_chunk_that_nobody_wants_is_not_taken_for_commands() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        client.write(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        assert await client.codes(2) == [503, 250]
        client.write(b"MAIL FROM:<b@o.test>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        assert await client.codes(3) == [250, 503, 250]
        assert await client.say("BDAT x") == "501 5.5.4 BDAT is followed by a number, and by LAST with the last one"
        assert await client.rest() == b""
    assert server.receiver.delivered == []


async def test_chunks_and_data_do_not_mix() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        client.write(b"MAIL FROM:<b@o.test>\r\nRCPT TO:<anna@rookery.test>\r\nBDAT 3\r\nabc")
        assert await client.codes(3) == [250] * 3
        assert await client.say("DATA") == "503 5.5.1 This message comes by BDAT"
        assert await client.say("RCPT TO:<cleo@rookery.test>") == "503 5.5.1 The message has begun already"
        assert await client.say("RSET") == "250 2.0.0 OK"
        await client.say("MAIL FROM:<b@o.test> BODY=BINARYMIME", "RCPT TO:<anna@rookery.test>")
        assert await client.say("DATA") == "503 5.5.1 This message comes by BDAT"
    assert server.receiver.delivered == []

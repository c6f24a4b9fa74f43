"""Submitting drafts, calling them back, and hearing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select, update

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.item_pb2 import Attachment
from rookery_core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    RookeryError,
    Stale,
)
from rookery_core.formats import mime
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.submission import departing
from rookery_server.store import submissions
from rookery_server.store.tables import address, outgoing_recipient, submission
from tests.support.mail import DRAFTS, OUTBOX, SENT, MailWorld

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person

HOUR = 3_600_000_000


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


async def refused(kind: type[RookeryError], reason: str, work: Any) -> RookeryError:
    with pytest.raises(kind) as caught:
        await work
    assert caught.value.reason == reason
    return caught.value


async def set_recipients(world: MailWorld, person: Person, submission_id: bytes, state: int, **values: Any) -> None:
    """Plays the queue: the submission is final, and all its recipients are in a state."""
    final = {"state": records.SUBMISSION_STATE_FINAL}
    changed = {"state": state, "next_attempt": None, **values}

    def work(transaction: Any) -> None:
        submissions.change(transaction.connection, person.number, submission_id, final)
        this = outgoing_recipient.c.submission_id == submission_id
        transaction.connection.execute(update(outgoing_recipient).where(this).values(**changed))

    await world.database.write(work)


async def test_a_submitted_draft_is_in_the_outbox_and_its_recipients_are_queued(world: MailWorld, anna: Person) -> None:
    draft = await world.draft(anna, "ben@rookery.example", cc=("c@other.example",), bcc=("d@Ünder.example",))
    before = await world.get(anna, draft)
    submission_ = await world.submit(anna, draft)
    assert submission_.state == records.SUBMISSION_STATE_PENDING and submission_.item_id == draft
    assert submission_.sender == "anna@rookery.example" and not submission_.HasField("hold_until")
    assert submission_.submitted.ToMicroseconds() == world.clock.now
    expected = ["ben@rookery.example", "c@other.example", "d@xn--nder-zra.example"]
    assert [each.person.address for each in submission_.recipients] == expected
    assert {each.state for each in submission_.recipients} == {records.DELIVERY_STATE_QUEUED}
    assert await world.within(anna, DRAFTS) == []
    [item] = await world.within(anna, OUTBOX)
    assert item.id == draft and not item.summary.message.draft
    assert item.summary.sent.seconds == world.clock.now // 1_000_000
    assert item.content.recipients == before.content.recipients, "the sender's copy names those in Bcc"
    assert [due.domain for due in await world.due()] == ["", "other.example", "xn--nder-zra.example"]
    assert world.woken == 1
    await world.check_counters(anna)


async def test_the_message_has_a_date_an_id_an_author_and_no_bcc(world: MailWorld, anna: Person) -> None:
    draft = await world.draft(anna, "ben@rookery.example", bcc=("secret@other.example",), subject="Grüße", text="Hallo Ben,\n")
    submission_ = await world.submit(anna, draft)
    data = await world.message(anna, submission_.id)
    assert b"secret" not in data and b"Bcc" not in data
    parsed = mime.parse(data)
    [kept] = await world.within(anna, OUTBOX)
    assert parsed.summary.subject == "Grüße" and parsed.content.body.text == "Hallo Ben,\n"
    assert parsed.summary.sent == kept.summary.sent
    author = getattr(parsed.summary.message, "from")
    assert (author.name, author.address) == ("anna", "anna@rookery.example")
    assert parsed.summary.message.message_id == kept.summary.message.message_id
    assert parsed.summary.message.message_id.endswith("@rookery.example")
    assert parsed.summary.conversation_id == kept.summary.conversation_id


async def test_attachments_leave_with_the_message(world: MailWorld, anna: Person) -> None:
    uploads = UploadService(world.database, world.clock, world.ids, max_message_bytes=1 << 20)
    upload_id, data = world.ids.new(), bytes(range(256)) * 2000

    async def pieces() -> Any:
        yield content.UploadRequest(upload_id=upload_id, total_bytes=len(data), data=data)

    await uploads.upload(anna.caller, pieces())
    draft = await world.draft(anna, "c@other.example", attachments=[Attachment(name="all.bin", upload_id=upload_id)])
    sent = await world.submit(anna, draft)
    message = await world.message(anna, sent.id)
    [part] = mime.parse(message).parts
    assert mime.decode_part(message[part.offset : part.offset + part.length], part.encoding) == data


async def test_each_address_is_one_recipient_and_groups_are_their_members(world: MailWorld, anna: Person) -> None:
    team = "Team: d@other.example, Ben <BEN@rookery.example>;"
    submission_ = await world.send(anna, "Ben@Rookery.example", team, cc=("ben@rookery.example", "e@other.example"))
    addresses = [each.person.address for each in submission_.recipients]
    assert addresses == ["Ben@rookery.example", "d@other.example", "e@other.example"]
    assert b"d@other.example" in await world.message(anna, submission_.id)
    [kept] = await world.within(anna, OUTBOX)
    assert team in [each.person.address for each in kept.content.recipients]


@pytest.mark.parametrize(
    "bad", ["nobody", "a b@example.org", "x@exa_mple.org", "x@\r\nRCPT TO:<y@example.org>", "", "a@b@", "x@y;z.org"]
)
async def test_an_address_that_is_none_is_named_and_nothing_is_sent(world: MailWorld, anna: Person, bad: str) -> None:
    draft = await world.draft(anna, "ok@other.example", bad)
    error = await refused(InvalidArgument, "ADDRESS_INVALID", world.submit(anna, draft))
    assert error.metadata == {"address": bad}
    assert [item.id for item in await world.within(anna, DRAFTS)] == [draft]
    assert await world.due() == []


async def test_what_can_not_be_sent_is_refused(world: MailWorld, anna: Person, ben: Person) -> None:
    await refused(FailedPrecondition, "NO_RECIPIENTS", world.send(anna))
    await refused(FailedPrecondition, "NOT_A_DRAFT", world.send(anna, "ben@rookery.example", is_draft=False))
    note = await world.item(anna, b"", kind=item_pb2.ITEM_KIND_NOTE)
    await refused(FailedPrecondition, "NOT_A_DRAFT", world.submit(anna, note.id))
    deleted = await world.draft(anna, "ben@rookery.example")
    await world.delete(anna, [deleted], item_service_pb2.DELETE_MODE_RECOVERABLE)
    await refused(FailedPrecondition, "NOT_A_DRAFT", world.submit(anna, deleted))
    draft = await world.draft(anna, "ben@rookery.example")
    await refused(NotFound, "ITEM_NOT_FOUND", world.submit(ben, draft))
    await refused(Stale, "STALE_ETAG", world.submit(anna, draft, etag=1))
    await refused(InvalidArgument, "LIMIT_EXCEEDED", world.submit(anna, draft, undo_seconds=601))
    many = [f"{number}@other.example" for number in range(1001)]
    await refused(InvalidArgument, "LIMIT_EXCEEDED", world.send(anna, *many))
    await refused(InvalidArgument, "MESSAGE_TOO_LARGE", world.send(anna, "ben@rookery.example", text="x" * (1 << 20)))
    assert await world.due() == [] and await world.within(anna, OUTBOX) == []
    assert (await world.submit(anna, draft, etag=(await world.get(anna, draft)).content_revision)).item_id == draft


async def test_nobody_sends_in_another_name(world: MailWorld, anna: Person, ben: Person) -> None:
    for author in ("ben@rookery.example", "anna@other.example", "somebody"):
        await refused(PermissionDenied, "SENDER_NOT_ALLOWED", world.send(anna, "ben@rookery.example", author=author))
    assert await world.due() == []


async def test_an_alias_is_a_sender_too(world: MailWorld, anna: Person) -> None:
    alias = {"key": "info@rookery.example", "text": "info@rookery.example", "domain": "rookery.example"}
    row = {**alias, "account_id": anna.caller.account_id, "is_primary": False}
    await world.database.write(lambda transaction: transaction.connection.execute(insert(address), row))
    assert (await world.send(anna, "x@other.example", author="Info@rookery.example")).sender == "Info@rookery.example"


async def test_a_repeated_submit_has_the_first_answer_and_sends_once(world: MailWorld, anna: Person) -> None:
    draft, operation_id = await world.draft(anna, "x@other.example"), world.ids.new()
    first = await world.submit(anna, draft, operation_id=operation_id)
    assert await world.submit(anna, draft, operation_id=operation_id) == first
    await refused(FailedPrecondition, "NOT_A_DRAFT", world.submit(anna, draft))
    assert len((await world.listed(anna)).submissions) == 1


async def test_a_refusal_is_kept_for_the_operation(world: MailWorld, anna: Person) -> None:
    draft, operation_id = await world.draft(anna), world.ids.new()
    await refused(FailedPrecondition, "NO_RECIPIENTS", world.submit(anna, draft, operation_id=operation_id))
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item_pb2.Item(id=draft))
    request.item.content.recipients.add().person.address = "x@other.example"
    request.update_mask.paths.append("content.recipients")
    await world.editing.update_item(anna.caller, request)
    await refused(FailedPrecondition, "NO_RECIPIENTS", world.submit(anna, draft, operation_id=operation_id))
    assert len((await world.submit(anna, draft)).recipients) == 1


async def test_a_submission_s_id_is_used_once(world: MailWorld, anna: Person, ben: Person) -> None:
    submission_id = world.ids.new()
    for person in (anna, ben):
        draft = await world.draft(person, "x@other.example")
        assert (await world.submit(person, draft, submission_id=submission_id)).id == submission_id
    draft = await world.draft(anna, "x@other.example")
    await refused(AlreadyExists, "ID_TAKEN", world.submit(anna, draft, submission_id=submission_id))


async def test_what_is_edited_while_it_is_submitted_leaves_as_it_is_then(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await world.draft(anna, "x@other.example", text="old\n")
    prepare, edits = departing.prepare, ["new\n"]

    async def edited_meanwhile(*arguments: Any, **named: Any) -> departing.Departing:
        ready = await prepare(*arguments, **named)
        if edits:
            request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item_pb2.Item(id=draft))
            request.item.content.body.text = edits.pop()
            request.update_mask.paths.append("content.body")
            await world.editing.update_item(anna.caller, request)
        return ready

    monkeypatch.setattr(departing, "prepare", edited_meanwhile)
    submission_ = await world.submit(anna, draft)
    assert mime.parse(await world.message(anna, submission_.id)).content.body.text == "new\n"
    [kept] = await world.within(anna, OUTBOX)
    assert kept.content.body.text == "new\n"


async def test_a_message_called_back_is_the_draft_that_it_was(world: MailWorld, anna: Person) -> None:
    folder = await world.folder(anna, "Letters")
    draft = await world.draft(anna, "x@other.example", bcc=("y@other.example",), folder=folder.id)
    submission_ = await world.submit(anna, draft, undo_seconds=10)
    assert submission_.state == records.SUBMISSION_STATE_HELD
    assert submission_.hold_until.ToMicroseconds() == world.clock.now + 10_000_000
    assert [due.at for due in await world.due()] == [world.clock.now + 10_000_000]
    called_back = await world.call_back(anna, submission_.id)
    assert called_back.state == records.SUBMISSION_STATE_CANCELLED
    assert await world.call_back(anna, submission_.id) == called_back
    item = await world.get(anna, draft)
    assert item.folder_id == folder.id and item.summary.message.draft and not item.summary.HasField("sent")
    assert len(item.content.recipients) == 2
    assert await world.due() == []
    await world.check_counters(anna)
    assert (await world.submit(anna, draft)).state == records.SUBMISSION_STATE_PENDING


async def test_a_draft_whose_folder_is_gone_returns_to_the_drafts(world: MailWorld, anna: Person) -> None:
    folder = await world.folder(anna, "Letters")
    submission_ = await world.submit(anna, await world.draft(anna, "x@other.example", folder=folder.id))
    request = folder_pb2.DeleteFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
    await world.folder_removal.delete_folder(anna.caller, request)
    await world.call_back(anna, submission_.id)
    assert [item.id for item in await world.within(anna, DRAFTS)] == [submission_.item_id]


async def test_what_has_left_or_is_leaving_is_not_called_back(world: MailWorld, anna: Person, ben: Person) -> None:
    leaving, left = await world.send(anna, "x@other.example"), await world.send(anna, "x@other.example")
    await set_recipients(world, anna, left.id, records.DELIVERY_STATE_RELAYED)
    lease = update(outgoing_recipient).where(outgoing_recipient.c.submission_id == leaving.id).values(lease_owner=b"w" * 16)
    await world.database.write(lambda transaction: transaction.connection.execute(lease))
    for each in (leaving, left):
        await refused(FailedPrecondition, "SUBMISSION_FINAL", world.call_back(anna, each.id))
        await refused(NotFound, "SUBMISSION_NOT_FOUND", world.call_back(ben, each.id))
        await refused(NotFound, "SUBMISSION_NOT_FOUND", world.submission(ben, each.id))
    assert len(await world.within(anna, OUTBOX)) == 2


async def test_a_message_leaves_at_its_time(world: MailWorld, anna: Person) -> None:
    later = world.clock.now + 5 * HOUR
    request = messages.SubmitRequest()
    request.send_at.FromMicroseconds(later)
    submission_ = await world.submit(anna, await world.draft(anna, "x@other.example"), send_at=request.send_at)
    assert submission_.state == records.SUBMISSION_STATE_HELD and submission_.hold_until == request.send_at
    assert await world.due() == [("other.example", later)]
    world.clock.advance(seconds=5 * 3600)
    assert (await world.submission(anna, submission_.id)).state == records.SUBMISSION_STATE_PENDING
    past = await world.submit(anna, await world.draft(anna, "x@other.example"), send_at=submission_.submitted)
    assert past.state == records.SUBMISSION_STATE_PENDING and not past.HasField("hold_until")
    request.send_at.FromMicroseconds(world.clock.now + 367 * 24 * HOUR)
    draft = await world.draft(anna, "x@other.example")
    await refused(InvalidArgument, "LIMIT_EXCEEDED", world.submit(anna, draft, send_at=request.send_at))


async def test_only_those_who_failed_are_sent_to_again(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example", "c@three.example")
    await refused(FailedPrecondition, "NOTHING_FAILED", world.send_again(anna, sent.id))
    await set_recipients(world, anna, sent.id, records.DELIVERY_STATE_RELAYED)
    failed = (outgoing_recipient.c.submission_id == sent.id) & (outgoing_recipient.c.position == 1)
    values = {"state": records.DELIVERY_STATE_FAILED, "attempts": 3, "reply": "550 no", "report": 2, "status_code": "5.1.1"}
    statement = update(outgoing_recipient).where(failed).values(**values)
    await world.database.write(lambda transaction: transaction.connection.execute(statement))
    again = await world.send_again(anna, sent.id)
    queued, relayed = records.DELIVERY_STATE_QUEUED, records.DELIVERY_STATE_RELAYED
    assert [each.state for each in again.recipients] == [relayed, queued, relayed]
    assert again.recipients[1].attempts == 0 and again.revision > sent.revision
    assert await world.due() == [("two.example", world.clock.now)]
    assert await world.submission(anna, sent.id) == again


async def test_submissions_are_listed_page_by_page_newest_first(world: MailWorld, anna: Person, ben: Person) -> None:
    made = []
    for number in range(5):
        made.append(await world.send(anna, f"{number}@other.example"))
        world.clock.advance(seconds=1)
    await world.send(ben, "x@other.example")
    await set_recipients(world, anna, made[0].id, records.DELIVERY_STATE_RELAYED)
    await world.call_back(anna, made[1].id)
    seen, token = [], ""
    while True:
        page = await world.listed(anna, page_size=2, page_token=token)
        seen += [each.id for each in page.submissions]
        token = page.next_page_token
        if not token:
            break
    assert seen == [each.id for each in reversed(made)]
    unfinished = await world.listed(anna, unfinished=True)
    assert [each.id for each in unfinished.submissions] == [each.id for each in reversed(made[2:])]
    assert [each.id for each in (await world.listed(anna, item_id=made[3].item_id)).submissions] == [made[3].id]
    world.clock.advance(days=31)
    assert len((await world.listed(anna)).submissions) == 3
    assert await world.submissions.forget_old() == 2
    await refused(NotFound, "SUBMISSION_NOT_FOUND", world.submission(anna, made[0].id))
    await refused(InvalidArgument, "LIMIT_EXCEEDED", world.listed(anna, page_size=501))
    await refused(InvalidArgument, "PAGE_TOKEN_INVALID", world.listed(ben, page_token=page.next_page_token or "x"))


async def test_a_submission_that_fails_leaves_nothing(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = await world.draft(anna, "x@other.example")
    before = await world.get(anna, draft)

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(submissions, "add", fail)
    with pytest.raises(OSError, match="no"):
        await world.submit(anna, draft)
    assert await world.get(anna, draft) == before
    assert await world.database.read(lambda connection: connection.execute(select(submission)).all()) == []
    await world.check_counters(anna)
    assert await world.within(anna, SENT) == []

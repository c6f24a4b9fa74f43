"""A mailbox that mail is sent from, for tests of the command `rookery`: what is submitted is answered as the test says."""

from __future__ import annotations

from google.rpc import code_pb2

from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.content_service_pb2 import UploadResponse
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import Attachment, Item, ItemKind, RecipientType
from rookery.v1.item_service_pb2 import BatchGetItemsResponse
from rookery.v1.person_pb2 import Person
from rookery.v1.submission_pb2 import DeliveryState, Submission, SubmissionRecipient, SubmissionState
from tests.support.cli_fakes import Box
from tests.support.client_fakes import refuse

DELIVERED, FAILED, QUEUED = (
    DeliveryState.DELIVERY_STATE_DELIVERED,
    DeliveryState.DELIVERY_STATE_FAILED,
    DeliveryState.DELIVERY_STATE_QUEUED,
)
FINAL, HELD, CANCELLED = (
    SubmissionState.SUBMISSION_STATE_FINAL,
    SubmissionState.SUBMISSION_STATE_HELD,
    SubmissionState.SUBMISSION_STATE_CANCELLED,
)
CONTACTS = b"\x0c" * 16
LETTER, SENT = b"\x1e" * 16, b"\x5e" * 16
LETTER_TEXT, SENT_TEXT = "1e1e1e1e-1e1e-1e1e-1e1e-1e1e1e1e1e1e", "5e5e5e5e-5e5e-5e5e-5e5e-5e5e5e5e5e5e"
MADE_TEXT = "6e6e6e6e-6e6e-6e6e-6e6e-6e6e6e6e6e6e"
"""The id of whatever is created."""


def recipient(address: str, state: DeliveryState.ValueType = DELIVERED, **fields) -> SubmissionRecipient:
    return SubmissionRecipient(person=Person(address=address), state=state, **fields)


def submission(*recipients: SubmissionRecipient, state: SubmissionState.ValueType = FINAL, **fields) -> Submission:
    found = Submission(id=SENT, item_id=b"n" * 16, revision=90, state=state, sender="anna@example.org", recipients=recipients)
    found.submitted.seconds = 1_790_000_000
    found.MergeFrom(Submission(**fields))
    return found


def letter() -> Item:
    """A message to Anna and others, with an image that its HTML shows and a file."""
    item = Item(id=LETTER, content_revision=5)
    item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_MESSAGE, "Re: Otters"
    item.summary.message.message_id = "two@example.org"
    getattr(item.summary.message, "from").CopyFrom(Person(name="Bert", address="bert@example.org"))
    item.summary.sent.seconds = 1_790_000_000
    item.content.message.references.append("one@example.org")
    item.content.message.has_original = True
    item.content.body.text, item.content.body.html = "Look.\n", '<p>Look: <img src="cid:otter@x"></p>'
    to, cc = RecipientType.RECIPIENT_TYPE_TO, RecipientType.RECIPIENT_TYPE_CC
    for kind, address in ((to, "anna@example.org"), (cc, "c@example.org")):
        item.content.recipients.add(type=kind, person=Person(address=address))
    item.content.attachments.append(Attachment(id=1, name="otter.png", media_type="image/png", content_id="otter@x", disposition=2))
    item.content.attachments.append(Attachment(id=4, name="list.csv", media_type="text/csv", disposition=1))
    return item


class Post(Box):
    """The mailbox. ``answers`` are what Submit and each GetSubmission after it give, the last of them from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = [submission(recipient("ben@example.org"))]
        self.refusal: tuple[int, str, str] | None = None
        self.uploads: list[bytes] = []
        contacts = ItemKind.ITEM_KIND_CONTACT
        self.folders.append(
            Folder(id=CONTACTS, name="Contacts", role=FolderRole.FOLDER_ROLE_CONTACTS, default_kind=contacts, item_count=1)
        )
        self.items[LETTER] = letter()
        self.documents[LETTER] = b"From: bert@example.org\r\n\r\nLook.\r\n"

    def add_list(self, name: str, item_id: bytes) -> None:
        """Adds a distribution list."""
        item = Item(id=item_id, folder_id=CONTACTS)
        item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_DISTRIBUTION_LIST, name
        self.items[item_id] = item

    @property
    def made(self) -> Item:
        """The one item that was created."""
        [request] = [each for each in self.asked if type(each).__name__ == "CreateItemRequest"]
        return request.item

    def _answer(self) -> Submission:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def submit(self, request, context):
        self.asked.append(request)
        if self.refusal is not None:
            await refuse(context, *self.refusal)
        return pb.SubmitResponse(submission=self._answer())

    async def get_submission(self, request, context):
        self.asked.append(request)
        if request.submission_id != SENT:
            await refuse(context, code_pb2.NOT_FOUND, "SUBMISSION_NOT_FOUND", "the mailbox has no such submission")
        return pb.GetSubmissionResponse(submission=self._answer())

    async def cancel(self, request, context):
        self.asked.append(request)
        return pb.CancelSubmissionResponse(submission=self._answer())

    async def resend(self, request, context):
        self.asked.append(request)
        return pb.ResendSubmissionResponse(submission=self._answer())

    async def batch_get(self, request, context):
        return BatchGetItemsResponse(items=[self.items[each] for each in request.item_ids if each in self.items])

    async def upload(self, requests, context):
        data = b"".join([request.data async for request in requests])
        self.uploads.append(data)
        return UploadResponse(received_bytes=len(data), complete=True)

    @property
    def handlers(self):
        return {
            **super().handlers,
            "SubmissionService.Submit": self.submit,
            "SubmissionService.GetSubmission": self.get_submission,
            "SubmissionService.CancelSubmission": self.cancel,
            "SubmissionService.ResendSubmission": self.resend,
            "ContentService.Upload": self.upload,
            "ItemService.BatchGetItems": self.batch_get,
        }

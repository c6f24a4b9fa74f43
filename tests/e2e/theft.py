"""What a thief sends: for every RPC of the contract, requests filled in with what belongs to somebody else.

The thief knows every id of the owner's, what they sent and their page tokens, but neither their password nor (but for one access
token, which must not become more) their tokens. No request may show or change what is the owner's.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import (
    admin_service_pb2 as admin,
)
from rookery.v1 import (
    auth_service_pb2 as auth,
)
from rookery.v1 import (
    content_service_pb2 as content,
)
from rookery.v1 import (
    folder_pb2 as folder,
)
from rookery.v1 import (
    item_pb2 as item,
)
from rookery.v1 import (
    item_service_pb2 as items,
)
from rookery.v1 import (
    mailbox_pb2 as mailbox,
)
from rookery.v1 import (
    queue_service_pb2 as queue,
)
from rookery.v1 import (
    search_service_pb2 as search,
)
from rookery.v1 import (
    submission_service_pb2 as submission,
)
from rookery.v1 import (
    sync_pb2 as records,
)
from rookery.v1 import (
    sync_service_pb2 as sync,
)
from tests.e2e.theft_of_mail import mail_requests

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from rookery_core.rules.ids import Ids

EVIL = b"Subject: evil\r\n\r\nevil\r\n"
WRONG = "wrong wrong wrong"
SERVICES = (admin, auth, content, folder, items, mailbox, queue, search, submission, sync)

Requests = dict[str, list["Message"]]


@dataclass
class Mark:
    """Somebody signed in, and what is theirs."""

    address: str
    tokens: auth.Tokens
    identity: auth.Identity
    folder: bytes = b""
    item: bytes = b""
    deleted: bytes = b""
    """An item that can be restored."""
    upload: bytes = b""
    creation: items.CreateItemRequest = field(default_factory=items.CreateItemRequest)
    """The call that made the item."""
    page_token: str = ""
    """The one that a listing of the folder gave."""
    cursor: str = ""
    """The one that a first fill gave."""
    submission: bytes = b""
    """A message that is held, and could be called back."""
    pushed: records.SyncOperation = field(default_factory=records.SyncOperation)
    """An edit of the item, made offline, that lost and is kept as a conflict."""
    ids: set[bytes] = field(default_factory=set)
    """Of the account, the mailbox, the session, and of all in it."""

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.tokens.access_token}")]


def requests(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    """The requests by RPC, in the order in which they are to be sent."""
    return {
        **_administration(ids, owner, thief),
        **_places(ids, owner, thief),
        **_items(ids, owner, thief),
        **_moves(ids, owner, thief),
        **_contents(ids, owner, thief),
        **mail_requests(ids, owner),
        **_sync(ids, owner, thief),
        **_sign_in(ids, owner, thief),
    }


def with_same_ids(ids: Ids, owner: Mark, thief: Mark) -> list[tuple[str, Message]]:
    """Calls that make something of the thief's own under ids that the owner's things have. An id is unique within a mailbox."""
    op, message = ids.new, item.DOCUMENT_FORMAT_MESSAGE
    document = content.ImportDocument(operation_id=op(), format=message, item_id=owner.upload, data=EVIL)
    return [
        (
            "FolderService/CreateFolder",
            folder.CreateFolderRequest(operation_id=op(), folder=folder.Folder(name="x", id=owner.folder)),
        ),
        ("ItemService/CreateItem", items.CreateItemRequest(operation_id=op(), item=_note(id=owner.item, folder_id=owner.folder))),
        (
            "ItemService/CopyItems",
            items.CopyItemsRequest(operation_id=op(), item_ids=[thief.item], folder_id=thief.folder, new_ids=[owner.deleted]),
        ),
        ("ContentService/ImportItem", content.ImportItemRequest(document=document)),
        ("ContentService/Upload", content.UploadRequest(upload_id=owner.upload, total_bytes=len(EVIL), data=EVIL)),
    ]


def of_mailbox(owner: Mark, request: Message) -> bool:
    """Fills the owner's mailbox in, if the request has room for one; otherwise False."""
    for described in request.DESCRIPTOR.fields:
        if described.name == "mailbox_id":
            setattr(request, described.name, owner.identity.mailbox_id)
            return True
        if described.message_type is not None and described.message_type.full_name.endswith("Request"):
            return of_mailbox(owner, getattr(request, described.name))
    return False


def _administration(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op, theirs, mine = ids.new, owner.identity.account_id, thief.identity.account_id
    administrator = FieldMask(paths=["administrator"])
    return {
        "AdminService/CreateAccount": [
            admin.CreateAccountRequest(
                operation_id=op(), account=admin.Account(address="evil@rookery.test", administrator=True), password="evil evil evil"
            )
        ],
        "AdminService/GetAccount": [
            admin.GetAccountRequest(account_id=theirs),
            admin.GetAccountRequest(address=owner.address),
        ],
        "AdminService/ListAccounts": [admin.ListAccountsRequest()],
        "AdminService/UpdateAccount": [
            admin.UpdateAccountRequest(
                operation_id=op(), account=admin.Account(id=account, administrator=True), update_mask=administrator
            )
            for account in (mine, theirs)
        ],
        "AdminService/SetPassword": [
            admin.SetPasswordRequest(operation_id=op(), account_id=account, password="evil evil evil") for account in (mine, theirs)
        ],
        "AdminService/DeleteAccount": [admin.DeleteAccountRequest(operation_id=op(), account_id=theirs)],
        "AdminService/CreateAlias": [
            admin.CreateAliasRequest(operation_id=op(), alias=admin.Alias(address="root@rookery.test", account_id=account))
            for account in (mine, theirs)
        ],
        "AdminService/ListAliases": [admin.ListAliasesRequest(), admin.ListAliasesRequest(account_id=theirs)],
        "AdminService/DeleteAlias": [admin.DeleteAliasRequest(operation_id=op(), address="alias@rookery.test")],
        "AdminService/CreateDomain": [admin.CreateDomainRequest(operation_id=op(), domain=admin.Domain(name="evil.example"))],
        "AdminService/ListDomains": [admin.ListDomainsRequest()],
        "AdminService/DeleteDomain": [admin.DeleteDomainRequest(operation_id=op(), name="rookery.test")],
        "AdminService/GetStatistics": [admin.GetStatisticsRequest()],
    }


def _places(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op, theirs = ids.new, owner.folder
    return {
        "MailboxService/ListMailboxes": [mailbox.ListMailboxesRequest()],
        "MailboxService/GetMailbox": [mailbox.GetMailboxRequest()],
        "FolderService/CreateFolder": [
            folder.CreateFolderRequest(operation_id=op(), folder=folder.Folder(name="evil", parent_id=theirs)),
        ],
        "FolderService/GetFolder": [
            folder.GetFolderRequest(folder_id=theirs),
            folder.GetFolderRequest(role=folder.FOLDER_ROLE_INBOX),
        ],
        "FolderService/ListFolders": [folder.ListFoldersRequest()],
        "FolderService/UpdateFolder": [
            folder.UpdateFolderRequest(
                operation_id=op(), folder=folder.Folder(id=theirs, name="evil"), update_mask=FieldMask(paths=["name"])
            ),
            folder.UpdateFolderRequest(
                operation_id=op(),
                folder=folder.Folder(id=theirs, parent_id=thief.folder),
                update_mask=FieldMask(paths=["parent_id"]),
            ),
            folder.UpdateFolderRequest(
                operation_id=op(),
                folder=folder.Folder(id=thief.folder, parent_id=theirs),
                update_mask=FieldMask(paths=["parent_id"]),
            ),
        ],
        "FolderService/DeleteFolder": [folder.DeleteFolderRequest(operation_id=op(), folder_id=theirs)],
        "FolderService/EmptyFolder": [
            folder.EmptyFolderRequest(operation_id=op(), folder_id=theirs, include_subfolders=True, permanent=permanent)
            for permanent in (False, True)
        ],
    }


def _note(*, upload: bytes = b"", id: bytes = b"", folder_id: bytes = b"") -> item.Item:  # noqa: A002 - the field's name
    record = item.Item(id=id, folder_id=folder_id)
    record.summary.kind = item.ITEM_KIND_NOTE
    record.summary.subject = "evil"
    if upload:
        record.content.attachments.add(name="x", upload_id=upload)
    return record


def _items(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op, theirs = ids.new, owner.item

    def update(record: item.Item, path: str) -> items.UpdateItemRequest:
        return items.UpdateItemRequest(operation_id=op(), item=record, update_mask=FieldMask(paths=[path]))

    return {
        "ItemService/CreateItem": [
            items.CreateItemRequest(operation_id=op(), item=_note(folder_id=owner.folder)),
            items.CreateItemRequest(operation_id=op(), item=_note(upload=owner.upload)),
            items.CreateItemRequest.FromString(owner.creation.SerializeToString()),
        ],
        "ItemService/GetItem": [items.GetItemRequest(item_id=each, view=items.ITEM_VIEW_FULL) for each in (theirs, owner.deleted)],
        "ItemService/BatchGetItems": [
            items.BatchGetItemsRequest(item_ids=[thief.item, theirs, owner.deleted], view=items.ITEM_VIEW_FULL)
        ],
        "ItemService/ListItems": [
            items.ListItemsRequest(folder_id=owner.folder, view=items.ITEM_VIEW_FULL),
            items.ListItemsRequest(folder_id=owner.folder, page_size=1, page_token=owner.page_token),
            items.ListItemsRequest(folder_id=thief.folder, page_size=1, page_token=owner.page_token),
            items.ListItemsRequest(folder_id=owner.folder, life=item.ITEM_LIFE_RECOVERABLE),
        ],
        "ItemService/UpdateItem": [
            update(_note(id=theirs), "summary.subject"),
            update(_note(id=thief.item, upload=owner.upload), "content.attachments"),
        ],
        "ItemService/SetItemState": [
            items.SetItemStateRequest(operation_id=op(), item_ids=[thief.item, theirs], add_categories=["evil"], read=True)
        ],
        "SearchService/Search": [
            search.SearchRequest(query="TOPSECRET", view=items.ITEM_VIEW_FULL),
            search.SearchRequest(query="TOPSECRET", folder_ids=[owner.folder], view=items.ITEM_VIEW_FULL),
        ],
    }


def _moves(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    """From one mailbox into the other, in both directions."""
    op = ids.new
    ways = [([owner.item], thief.folder), ([thief.item], owner.folder), ([owner.item], owner.folder)]
    return {
        "ItemService/MoveItems": [
            items.MoveItemsRequest(operation_id=op(), item_ids=each, folder_id=where) for each, where in ways
        ],
        "ItemService/CopyItems": [
            *(items.CopyItemsRequest(operation_id=op(), item_ids=each, folder_id=where) for each, where in ways),
        ],
        "ItemService/RestoreItems": [
            items.RestoreItemsRequest(operation_id=op(), item_ids=[owner.deleted], folder_id=thief.folder),
            items.RestoreItemsRequest(operation_id=op(), item_ids=[owner.deleted]),
            items.RestoreItemsRequest(operation_id=op(), item_ids=[thief.deleted], folder_id=owner.folder),
        ],
        "ItemService/DeleteItems": [
            items.DeleteItemsRequest(operation_id=op(), item_ids=[owner.item, owner.deleted], mode=mode)
            for mode in (items.DELETE_MODE_TO_DELETED_ITEMS, items.DELETE_MODE_RECOVERABLE, items.DELETE_MODE_PERMANENT)
        ],
    }


def _contents(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op, theirs = ids.new, owner.item
    message = item.DOCUMENT_FORMAT_MESSAGE

    def documents() -> list[content.ImportDocument]:
        return [
            content.ImportDocument(operation_id=op(), format=message, folder_id=owner.folder, data=EVIL),
            content.ImportDocument(operation_id=op(), format=message, upload_id=owner.upload),
        ]

    return {
        "ContentService/Upload": [
            content.UploadRequest(upload_id=op(), total_bytes=len(EVIL), data=EVIL),
        ],
        "ContentService/WriteUpload": [
            content.WriteUploadRequest(piece=content.UploadRequest(upload_id=op(), total_bytes=len(EVIL), data=EVIL)),
        ],
        "ContentService/GetUpload": [content.GetUploadRequest(upload_id=owner.upload)],
        "ContentService/DownloadAttachment": [content.DownloadAttachmentRequest(item_id=theirs, attachment_id=1)],
        "ContentService/DownloadDocument": [content.DownloadDocumentRequest(item_id=each) for each in (theirs, owner.deleted)],
        "ContentService/ReadContent": [
            content.ReadContentRequest(item_id=theirs, attachment_id=attachment) for attachment in (0, 1)
        ],
        "ContentService/Import": [content.ImportRequest(documents=[document]) for document in documents()],
        "ContentService/ImportItem": [content.ImportItemRequest(document=document) for document in documents()],
    }


def _sync(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op, version = ids.new, {"item_id": owner.item, "device_id": owner.identity.session_id}
    pulls = [
        sync.PullRequest(),
        sync.PullRequest(cursor=owner.cursor),
        sync.PullRequest(scope=records.SyncScope(folder_ids=[owner.folder])),
    ]
    leaf = sync.ReconcileLeaf(entries=[sync.ReconcileEntry(item_id=owner.item, revision=1)])
    watched = sync.WatchRequest(positions=[sync.WatchPosition(mailbox_id=owner.identity.mailbox_id, revision=1)])
    return {
        "SyncService/Pull": list(pulls),
        "SyncService/PullBatch": [sync.PullBatchRequest(pull=pull) for pull in pulls],
        "SyncService/Push": [sync.PushRequest(operations=_pushed(ids, owner, thief))],
        "SyncService/PushBatch": [sync.PushBatchRequest(push=sync.PushRequest(operations=_pushed(ids, owner, thief)))],
        "SyncService/Reconcile": [sync.ReconcileRequest(leaves=[leaf], include_folders=True)],
        "SyncService/Watch": [watched],
        "SyncService/ListConflicts": [sync.ListConflictsRequest()],
        "SyncService/GetConflict": [sync.GetConflictRequest(**version)],
        "SyncService/RestoreConflict": [sync.RestoreConflictRequest(operation_id=op(), **version)],
        "SyncService/DismissConflict": [sync.DismissConflictRequest(operation_id=op(), **version)],
    }


def _pushed(ids: Ids, owner: Mark, thief: Mark) -> list[records.SyncOperation]:
    """What a device does, done to what is the owner's."""
    theirs = [owner.item, owner.deleted]
    rename = folder.UpdateFolderRequest(folder=folder.Folder(id=owner.folder, name="evil"), update_mask=FieldMask(paths=["name"]))
    edit = items.UpdateItemRequest(item=_note(id=owner.item), update_mask=FieldMask(paths=["summary.subject"]))
    taken = items.ListEdits(add_attachments=[item.Attachment(name="x", upload_id=owner.upload)])
    actions: list[dict[str, Any]] = [
        {"create_item": items.CreateItemRequest(item=_note(id=ids.new(), folder_id=owner.folder, upload=owner.upload))},
        {"update_item": edit},
        {"update_item": items.UpdateItemRequest(item=item.Item(id=thief.item), list_edits=taken)},
        {"set_item_state": items.SetItemStateRequest(item_ids=theirs, add_categories=["evil"])},
        {"move_items": items.MoveItemsRequest(item_ids=theirs, folder_id=thief.folder)},
        {"copy_items": items.CopyItemsRequest(item_ids=theirs[:1], folder_id=thief.folder, new_ids=[ids.new()])},
        {"delete_items": items.DeleteItemsRequest(item_ids=theirs, mode=items.DELETE_MODE_PERMANENT)},
        {"restore_items": items.RestoreItemsRequest(item_ids=theirs)},
        {"create_folder": folder.CreateFolderRequest(folder=folder.Folder(id=ids.new(), name="evil", parent_id=owner.folder))},
        {"update_folder": rename},
        {"delete_folder": folder.DeleteFolderRequest(folder_id=owner.folder)},
        {"empty_folder": folder.EmptyFolderRequest(folder_id=owner.folder, permanent=True)},
    ]
    made = [records.SyncOperation(operation_id=ids.new(), base_revision=1, **action) for action in actions]
    after_theirs = records.SyncOperation(operation_id=ids.new(), depends_on=[owner.pushed.operation_id or ids.new()])
    after_theirs.create_item.item.CopyFrom(_note(id=ids.new()))
    return [*made, owner.pushed, after_theirs]


def _sign_in(ids: Ids, owner: Mark, thief: Mark) -> Requests:
    op = ids.new
    return {
        "AuthService/Login": [
            auth.LoginRequest(address=owner.address, password=WRONG, operation_id=op()),
        ],
        "AuthService/Refresh": [
            auth.RefreshRequest(refresh_token=owner.tokens.access_token),
            auth.RefreshRequest(refresh_token=_forged(owner, thief)),
        ],
        "AuthService/WhoAmI": [auth.WhoAmIRequest()],
        "AuthService/ListSessions": [auth.ListSessionsRequest()],
        "AuthService/RevokeSession": [auth.RevokeSessionRequest(session_id=owner.identity.session_id, operation_id=op())],
        "AuthService/ChangePassword": [
            auth.ChangePasswordRequest(old_password=WRONG, new_password="evil evil evil", operation_id=op())
        ],
        "AuthService/Logout": [auth.LogoutRequest()],
    }


def _forged(owner: Mark, thief: Mark) -> str:
    """The thief's refresh token with the owner's session in it."""
    token = thief.tokens.refresh_token
    payload = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    changed = payload.replace(thief.identity.session_id, owner.identity.session_id)
    assert changed != payload or thief is owner, "the token does not hold the session's id where this test knows it"
    return base64.urlsafe_b64encode(changed).decode().rstrip("=")

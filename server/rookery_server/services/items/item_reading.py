"""Reading items: one, several, and page by page."""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import (
    PackedBatchGetItemsResponse,
    PackedItem,
    PackedItemResponse,
    PackedListItemsResponse,
)
from rookery.v1 import item_pb2, item_service_pb2
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import limits, restrictions
from rookery_core.rules.ids import require_id
from rookery_server.services import access
from rookery_server.services.folders import folders
from rookery_server.services.items import item_packing
from rookery_server.services.items.item_matching import Matcher
from rookery_server.store import item_contents, items, restriction_sql
from rookery_server.store.folders import is_known as is_known_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.database import Database
    from rookery_server.store.items import PackedRow

MOST_ITEMS = 500
"""Items a call, and items a page."""
RESPONSE_BYTES = 1 << 20
ROW_BUDGET = 5_000
"""Items that one page looks at, where the restriction has to be checked on records."""
_DEFAULT_PAGE = 50
_STEP = 500
_BRIEF_BYTES = 64 << 10
"""Stored content that is read in passing; more is read in a thread."""

_SORTS: dict[int, str] = {
    item_service_pb2.SORT_KEY_UNSPECIFIED: "received",
    item_service_pb2.SORT_KEY_RECEIVED: "received",
    item_service_pb2.SORT_KEY_SENT: "sent",
    item_service_pb2.SORT_KEY_FROM: "from_key",
    item_service_pb2.SORT_KEY_SUBJECT: "subject_key",
    item_service_pb2.SORT_KEY_SIZE: "size_bytes",
    item_service_pb2.SORT_KEY_START: "start",
    item_service_pb2.SORT_KEY_DUE: "due",
    item_service_pb2.SORT_KEY_IMPORTANCE: "importance",
}


def require_ids(item_ids: Sequence[bytes]) -> list[bytes]:
    """The ids without repetitions, in order. InvalidArgument if there are more than 500, or if one is malformed."""
    if len(item_ids) > MOST_ITEMS:
        raise InvalidArgument(
            "LIMIT_EXCEEDED", f"{len(item_ids):,} items in one call, at most {MOST_ITEMS} are allowed", field="item_ids"
        )
    return [require_id(item_id, f"item_ids[{index}]") for index, item_id in enumerate(dict.fromkeys(item_ids))]


def require_item(connection: Connection, mailbox_id: int, item_id: bytes) -> PackedRow:
    """The item, live or recoverable; NotFound ``ITEM_NOT_FOUND``."""
    row = items.packed(connection, mailbox_id, require_id(item_id, "item_id"))
    if row is None:
        raise _no_item()
    return row


def _no_item() -> NotFound:
    return NotFound("ITEM_NOT_FOUND", "the mailbox has no such item", field="item_id")


def page_size(wanted: int) -> int:
    """How many a page holds; InvalidArgument beyond the most."""
    if wanted > MOST_ITEMS:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a page holds at most {MOST_ITEMS} items", field="page_size")
    return wanted or _DEFAULT_PAGE


def pack_rows(connection: Connection, mailbox_id: int, rows: Sequence[PackedRow], view: int) -> list[PackedItem]:
    """The rows as they travel, with content for the full view, up to 1 MiB but at least one."""
    full = view == item_service_pb2.ITEM_VIEW_FULL
    contents = item_contents.each(connection, mailbox_id, [row.id for row in rows]) if full else repeat(None, len(rows))
    packed: list[PackedItem] = []
    size = 0
    for row, stored in zip(rows, contents, strict=True):
        content = item_packing.decompress(stored) if full else None
        size += len(row.summary) + len(row.state) + len(content or b"") + 64
        if packed and size > RESPONSE_BYTES:
            break
        packed.append(item_packing.pack(row, content))
    return packed


class ItemReading:
    """Carries out GetItem, BatchGetItems and ListItems. Nothing that is only passed on is decoded."""

    def __init__(self, database: Database, page_tokens: PageTokens) -> None:
        self._database = database
        self._page_tokens = page_tokens

    async def get_item(self, caller: Caller, request: item_service_pb2.GetItemRequest) -> bytes:
        """One item, live or recoverable; the encoded GetItemResponse."""
        summary_only = request.view == item_service_pb2.ITEM_VIEW_SUMMARY

        def work(connection: Connection, most: int) -> tuple[PackedRow, tuple[int, bytes] | None, int]:
            found = access.read_item(connection, caller, request.mailbox_id, request.item_id, most=most)
            if found.item is None:
                raise _no_item()
            return found.item, found.content, found.mailbox_revision

        row, content, revision = await self._database.glance(partial(work, most=0 if summary_only else _BRIEF_BYTES))
        if content is None and not summary_only:
            row, content, revision = await self._database.read(partial(work, most=limits.RECORD_BYTES))
        packed = item_packing.pack(row, None if summary_only else item_packing.decompress(content))
        return PackedItemResponse(item=packed, revision=revision).SerializeToString()

    async def batch_get_items(self, caller: Caller, request: item_service_pb2.BatchGetItemsRequest) -> bytes:
        """Several items, in the order asked for; the encoded BatchGetItemsResponse."""
        wanted = require_ids(request.item_ids)

        def work(connection: Connection) -> bytes:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            found = items.packed_many(connection, mailbox.id, wanted)
            rows = [found[item_id] for item_id in wanted if item_id in found]
            packed = pack_rows(connection, mailbox.id, rows, request.view)
            return PackedBatchGetItemsResponse(
                items=packed,
                missing_ids=[item_id for item_id in wanted if item_id not in found],
                remaining_ids=[row.id for row in rows[len(packed) :]],
                revision=mailbox.revision,
            ).SerializeToString()

        return await self._database.read(work)

    async def list_items(self, caller: Caller, request: item_service_pb2.ListItemsRequest) -> bytes:
        """A page of a folder, or of all that is recoverable; the encoded ListItemsResponse."""
        sort = _SORTS.get(request.sort_key)
        if sort is None:
            raise InvalidArgument("FIELD_INVALID", f"there is no sort key {request.sort_key}", field="sort_key")
        if request.HasField("restriction"):
            restrictions.validate(request.restriction)
        wanted = page_size(request.page_size)
        query = item_service_pb2.ListItemsRequest()
        query.CopyFrom(request)
        query.ClearField("page_token")
        query.ClearField("page_size")
        digest = self._page_tokens.digest(caller, request.mailbox_id, query)
        token = self._page_tokens.decode(request.page_token, digest)
        after: tuple[int | str, bytes] | None = None
        if token is not None:
            after = (token.text if token.HasField("text") else token.number, token.id)
        walk = _Walk(request, sort, after, wanted)

        def work(connection: Connection) -> tuple[list[PackedItem], tuple[int | str, bytes] | None, int]:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            folder_id = _folder_of(connection, mailbox.id, request)
            return *walk.page(connection, mailbox.id, folder_id), mailbox.revision

        packed, last, revision = await self._database.read(work)
        following = ""
        if last is not None:
            key, item_id = last
            text, number = (key, None) if isinstance(key, str) else (None, key)
            following = self._page_tokens.encode(digest, number=number, text=text, item_id=item_id)
        return PackedListItemsResponse(items=packed, next_page_token=following, revision=revision).SerializeToString()


def _folder_of(connection: Connection, mailbox_id: int, request: item_service_pb2.ListItemsRequest) -> bytes | None:
    """The folder to list; None for all that is recoverable. What was in a folder that is deleted by now can be listed still."""
    if request.life != item_pb2.ITEM_LIFE_RECOVERABLE:
        return folders.require(connection, mailbox_id, request.folder_id).id
    if not request.folder_id:
        return None
    if not is_known_folder(connection, mailbox_id, require_id(request.folder_id, "folder_id")):
        raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field="folder_id")
    return request.folder_id


class _Walk:
    """One page's walk along a folder's order."""

    def __init__(
        self, request: item_service_pb2.ListItemsRequest, sort: str, after: tuple[int | str, bytes] | None, wanted: int
    ) -> None:
        self._sort = sort
        self._after = after
        self._wanted = wanted
        self._view = request.view
        self._life = request.life or item_pb2.ITEM_LIFE_LIVE
        self._descending = request.sort_direction != item_service_pb2.SORT_DIRECTION_ASCENDING
        self._restriction = request.restriction if request.HasField("restriction") else None

    def page(
        self, connection: Connection, mailbox_id: int, folder_id: bytes | None
    ) -> tuple[list[PackedItem], tuple[int | str, bytes] | None]:
        """The items of the page, and the place of the last one looked at if there may be more."""
        where, residual = restriction_sql.compile(self._restriction) if self._restriction else (None, None)
        matcher = Matcher(residual)
        found: list[tuple[int | str, PackedRow]] = []
        most = self._wanted if residual is not None else self._wanted + 1
        after, budget, ended = self._after, ROW_BUDGET, False
        while not ended and not matcher.exhausted and budget > 0 and len(found) < self._wanted:
            step = min(_STEP, budget) if residual is not None else most
            rows = items.page(
                connection,
                mailbox_id,
                folder_id,
                life=self._life,
                sort=self._sort,
                descending=self._descending,
                after=after,
                where=where,
                limit=step,
            )
            budget -= step
            looked = 0
            for fits in matcher.check(connection, mailbox_id, [row for _, row in rows]):
                key, row = rows[looked]
                looked += 1
                after = (key, row.id)
                if fits:
                    found.append((key, row))
                if len(found) == most:
                    break
            ended = looked == len(rows) < step
        chosen = found[: self._wanted]
        packed = pack_rows(connection, mailbox_id, [row for _, row in chosen], self._view)
        if len(packed) < len(found):
            key, row = found[len(packed) - 1]
            return packed, (key, row.id)
        return packed, None if ended else after

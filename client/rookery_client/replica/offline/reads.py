"""The contract's reading calls, answered by a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_service_pb2 as calendar_pb
from rookery.v1 import folder_pb2, mailbox_pb2
from rookery.v1 import item_service_pb2 as items_pb
from rookery.v1 import search_service_pb2 as search_pb
from rookery.v1.item_pb2 import ITEM_LIFE_RECOVERABLE, Item
from rookery.v1.item_service_pb2 import ITEM_VIEW_FULL, ITEM_VIEW_SUMMARY, SORT_DIRECTION_ASCENDING
from rookery_client.replica.offline import pages
from rookery_client.replica.reading import holdings
from rookery_client.replica.reading.agenda import Agenda
from rookery_client.replica.reading.listing import Order, Wish
from rookery_core.rules.recurrence import agenda_requests
from rookery_core.rules.search_numbers import NUMBERS

if TYPE_CHECKING:
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.contents import Contents
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.reading.searching import Searcher
    from rookery_client.replica.replica import Replica


class OfflineReading:
    """Gives the responses that the server would give, of what the replica holds."""

    def __init__(self, replica: Replica, reader: Reader, searcher: Searcher, contents: Contents, notes: Notes) -> None:
        self._replica = replica
        self._reader = reader
        self._searcher = searcher
        self._contents = contents
        self._notes = notes
        # The list that was paged through last: all of its pages come out of one order.
        self._order: tuple[bytes, Order] | None = None
        self._agenda: tuple[bytes, Agenda] | None = None

    def list_mailboxes(self, _request: mailbox_pb2.ListMailboxesRequest) -> mailbox_pb2.ListMailboxesResponse:
        """The one mailbox."""
        return mailbox_pb2.ListMailboxesResponse(mailboxes=[self._mailbox()])

    def get_mailbox(self, _request: mailbox_pb2.GetMailboxRequest) -> mailbox_pb2.GetMailboxResponse:
        """The mailbox, with the figures that can be told from here."""
        mailbox = self._mailbox()
        return mailbox_pb2.GetMailboxResponse(mailbox=mailbox, revision=mailbox.revision)

    def list_folders(self, _request: folder_pb2.ListFoldersRequest) -> folder_pb2.ListFoldersResponse:
        """All folders."""
        return folder_pb2.ListFoldersResponse(folders=self._reader.folders(), revision=self._reader.revision())

    def get_folder(self, request: folder_pb2.GetFolderRequest) -> folder_pb2.GetFolderResponse:
        """One folder."""
        by_role = request.WhichOneof("folder") == "role"
        folder = self._reader.role(request.role) if by_role else self._reader.folder(request.folder_id)
        return folder_pb2.GetFolderResponse(folder=folder, revision=self._reader.revision())

    def get_item(self, request: items_pb.GetItemRequest) -> items_pb.GetItemResponse:
        """One item."""
        full = request.view != ITEM_VIEW_SUMMARY
        item = self._reader.item(request.item_id, full=full)
        if full:
            self._contents.note_use(request.item_id)
        if full and not self._reader.is_whole(request.item_id):
            self._notes.add("The replica keeps only the first part of this: `rookery sync --depth full` brings all of it.")
        return items_pb.GetItemResponse(item=item, revision=self._reader.revision())

    def batch_get_items(self, request: items_pb.BatchGetItemsRequest) -> items_pb.BatchGetItemsResponse:
        """Several items."""
        wanted = list(dict.fromkeys(request.item_ids))
        found = self._reader.items(wanted, full=request.view == ITEM_VIEW_FULL)
        there = {item.id for item in found}
        missing = [item_id for item_id in wanted if item_id not in there]
        if missing:
            self._notes.add(*self._reader.limits())
        return items_pb.BatchGetItemsResponse(items=found, missing_ids=missing, revision=self._reader.revision())

    def list_items(self, request: items_pb.ListItemsRequest) -> items_pb.ListItemsResponse:
        """A page of a folder."""
        if request.life == ITEM_LIFE_RECOVERABLE:
            raise holdings.recoverable()
        digest = pages.digest_of(request)
        if self._order is None or self._order[0] != digest or not request.page_token:
            self._order = (digest, Order(_wish(request)))
        after = pages.place_of(request.page_token, digest)
        size, full = pages.size_of(request.page_size, "items"), request.view == ITEM_VIEW_FULL
        page = self._reader.page(self._order[1], after=after, size=size, full=full)
        self._notes.add(*self._reader.limits())
        following = pages.token_of(digest, page.last)
        return items_pb.ListItemsResponse(items=page.items, next_page_token=following, revision=self._reader.revision())

    def search(self, request: search_pb.SearchRequest) -> search_pb.SearchResponse:
        """A page of hits."""
        digest = pages.digest_of(request)
        token = pages.decoded(request.page_token, digest)
        hits = self._searcher.search(
            request.query,
            restriction=request.restriction if request.HasField("restriction") else None,
            folder_ids=request.folder_ids,
            below=NUMBERS if token is None else token.number,
            size=pages.size_of(request.page_size, "items"),
        )
        self._notes.add(*self._reader.limits())
        full = request.view == ITEM_VIEW_FULL
        found: list[Item] = (
            self._reader.items([row.id for row in hits.rows], full=True) if full else [row.item() for row in hits.rows]
        )
        following = pages.token_of(digest, None if hits.last is None else (hits.last, b""))
        return search_pb.SearchResponse(
            items=found, next_page_token=following, incomplete=hits.incomplete, revision=self._reader.revision()
        )

    def list_occurrences(self, request: calendar_pb.ListOccurrencesRequest) -> calendar_pb.ListOccurrencesResponse:
        """A page of what calendars show."""
        asked = agenda_requests.asked(request)
        digest = pages.digest_of(request)
        after = pages.occurrence_of(request.page_token, digest)
        if self._agenda is None or self._agenda[0] != digest or after is None:
            self._agenda = (digest, Agenda(self._replica, asked.folder_ids, asked.window))
        page = self._agenda[1].page(after, asked.most)
        self._notes.add(*self._reader.limits())
        response = calendar_pb.ListOccurrencesResponse.FromString(page.encoded)
        response.next_page_token = pages.token_behind(digest, page.following)
        response.incomplete_item_ids.extend(page.incomplete)
        response.revision = self._reader.revision()
        return response

    def _mailbox(self) -> mailbox_pb2.Mailbox:
        identity, status, folders = self._replica.identity(), self._replica.status(), self._reader.folders()
        return mailbox_pb2.Mailbox(
            id=identity.mailbox_id if identity else b"",
            address=identity.address if identity else "",
            display_name=identity.display_name if identity else "",
            aliases=identity.aliases if identity else (),
            epoch=status.epoch,
            revision=self._reader.revision(),
            item_count=sum(folder.item_count for folder in folders),
            used_bytes=sum(folder.size_bytes for folder in folders),
            folder_count=len(folders),
        )


def _wish(request: items_pb.ListItemsRequest) -> Wish:
    return Wish(
        request.folder_id,
        request.sort_key,
        request.sort_direction != SORT_DIRECTION_ASCENDING,
        request.restriction if request.HasField("restriction") else None,
    )

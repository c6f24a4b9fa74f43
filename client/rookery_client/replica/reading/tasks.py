"""The list of tasks, as ListTasks gives it: tasks of all folders and what is flagged, in the server's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.folder_pb2 import FOLDER_ROLE_DELETED
from rookery.v1.item_pb2 import ITEM_KIND_TASK
from rookery_client.replica.view import overlay, shown_rows
from rookery_core.rules import sort_keys, to_do

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from rookery.v1.item_pb2 import Item
    from rookery.v1.task_service_pb2 import ListTasksRequest
    from rookery_client.replica.replica import Replica


def page(
    replica: Replica, request: ListTasksRequest, after: to_do.Place | None, size: int
) -> tuple[list[Item], to_do.Place | None]:
    """Up to ``size`` items behind a place, and the place of the last one if there are more."""
    with replica.database.reading() as connection:
        listed = {place: item for place, item in _listed(connection, request) if after is None or place > after}
    places = sorted(listed)
    return [listed[place] for place in places[:size]], places[size - 1] if len(places) > size else None


def _listed(connection: sqlite3.Connection, request: ListTasksRequest) -> Iterator[tuple[to_do.Place, Item]]:
    standings = to_do.selected(request)
    begin, end = to_do.window(request)
    tree = overlay.shown_folders(connection)
    thrown = tree.with_role(FOLDER_ROLE_DELETED)
    outside = {folder.id for folder in tree.subtree(thrown)} if thrown else set()
    for row in shown_rows.to_do(connection):
        if row.folder_id in outside:
            continue
        item = row.item()
        if to_do.standing(item.summary, item.state) not in standings:
            continue
        if not request.include_flagged and item.summary.kind != ITEM_KIND_TASK:
            continue
        place = to_do.place_of(item)
        due = place[1]
        if (begin is not None and due < begin) or (end is not None and (due >= end or due == sort_keys.NO_TIME)):
            continue
        yield place, item

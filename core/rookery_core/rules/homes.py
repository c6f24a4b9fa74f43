"""Where new items go if nobody says where: the role folder of each kind, by which server and replica agree."""

from __future__ import annotations

from rookery.v1 import folder_pb2, item_pb2

_HOMES: dict[int, int] = {
    item_pb2.ITEM_KIND_APPOINTMENT: folder_pb2.FOLDER_ROLE_CALENDAR,
    item_pb2.ITEM_KIND_TASK: folder_pb2.FOLDER_ROLE_TASKS,
    item_pb2.ITEM_KIND_CONTACT: folder_pb2.FOLDER_ROLE_CONTACTS,
    item_pb2.ITEM_KIND_DISTRIBUTION_LIST: folder_pb2.FOLDER_ROLE_CONTACTS,
    item_pb2.ITEM_KIND_NOTE: folder_pb2.FOLDER_ROLE_NOTES,
    item_pb2.ITEM_KIND_JOURNAL: folder_pb2.FOLDER_ROLE_JOURNAL,
}


def home_of(kind: int, *, incoming: bool = False) -> int:
    """The role of the folder for items of a kind: imported mail goes to the inbox, mail that is being written to drafts."""
    mail = folder_pb2.FOLDER_ROLE_INBOX if incoming else folder_pb2.FOLDER_ROLE_DRAFTS
    return _HOMES.get(kind, mail)

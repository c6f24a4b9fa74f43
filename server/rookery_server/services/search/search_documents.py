"""What is searched of an item as it is stored."""

from __future__ import annotations

import structlog
from google.protobuf.message import DecodeError
from zstandard import ZstdError

from rookery.v1.item_pb2 import ItemContent, ItemSummary
from rookery_core.rules.search_documents import document_of
from rookery_core.rules.search_query import Document
from rookery_server.services.items import item_packing

_log = structlog.get_logger(__name__)


def document(summary: bytes, content: tuple[int, bytes] | None) -> Document:
    """The document of an item, from its stored summary and content. What is damaged has no words: it must not stop the rest."""
    try:
        return document_of(ItemSummary.FromString(summary), ItemContent.FromString(item_packing.decompress(content)))
    except (DecodeError, ZstdError) as error:
        _log.error("an item is damaged and can not be searched", error=str(error))
        return Document((), (), (), (), ())

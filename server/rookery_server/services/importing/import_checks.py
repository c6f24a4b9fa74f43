"""What is wrong with an import whatever the mailbox and the ledger hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemState
from rookery_core.errors import InvalidArgument
from rookery_core.rules import validation
from rookery_core.rules.enums import require_known_enums
from rookery_core.rules.ids import require_minted
from rookery_server.services.importing.documents import Marks
from rookery_server.services.operations import check_operation_id

if TYPE_CHECKING:
    from rookery.v1.content_service_pb2 import ImportDocument

DATA_BYTES = 4 << 20
"""The most that a document, or several in one request, carry themselves; larger documents are uploaded first."""

DOCUMENTS_MOST = 500
"""Documents in one request."""


def require_fitting(documents: int, size: int) -> None:
    """InvalidArgument unless so many documents, with so many bytes of data together, may come in one request.

    A document alone that is too large is refused itself (``check``), and not its request.
    """
    if not documents:
        raise InvalidArgument("FIELD_INVALID", "a request to import holds at least one document", field="documents")
    if documents > DOCUMENTS_MOST:
        message = f"a request holds at most {DOCUMENTS_MOST} documents, this one has {documents:,}: send more requests"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="documents")
    if documents > 1 and size > DATA_BYTES:
        message = f"several documents in a request have at most {DATA_BYTES:,} bytes, these have {size:,}: send more requests"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="documents")


def check(head: ImportDocument, raw: bytes | None, *, limit: int, now: int) -> Marks:
    """Gives what to mark the item with. Raises what is wrong with one document.

    ``head`` is the document without its data, ``raw`` are its bytes, wherever they came from, or None if it has none at all;
    ``limit`` is the most bytes of a document on this server, ``now`` the time in microseconds.
    """
    check_operation_id(head.operation_id, now)
    require_known_enums(head)
    if head.item_id:
        require_minted(head.item_id, "item_id")
    if raw is None:
        raise InvalidArgument("FIELD_INVALID", "an import needs a document: its bytes, or an upload of them", field="document")
    if len(raw) > DATA_BYTES and not head.HasField("upload_id"):
        raise InvalidArgument(
            "LIMIT_EXCEEDED",
            f"a request carries at most {DATA_BYTES:,} bytes, this document has {len(raw):,}: upload it first",
            field="data",
        )
    if len(raw) > limit:
        raise InvalidArgument(
            "MESSAGE_TOO_LARGE",
            f"the document has {len(raw):,} bytes; this server takes {limit:,} at most",
            metadata={"limit_bytes": str(limit)},
        )
    return _marks(head)


def _marks(head: ImportDocument) -> Marks:
    state = ItemState()
    if head.HasField("state"):
        state.CopyFrom(head.state)
        categories = validation.validate_state(state)
        state.ClearField("categories")
        state.categories.extend(categories)
    if not head.HasField("received"):
        return Marks(state, None)
    try:
        head.received.ToMicroseconds()
    except ValueError:
        raise InvalidArgument("FIELD_INVALID", "a time lies in the years 0001 to 9999", field="received") from None
    return Marks(state, head.received)

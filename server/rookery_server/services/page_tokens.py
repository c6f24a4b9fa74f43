"""Page tokens: where the next page begins, opaque to the client, bound to the query, proof against tampering."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import PageToken
from rookery_core.errors import InvalidArgument
from rookery_server.services.seals import Seal

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from rookery_server.services.caller import Caller


class PageTokens:
    """Signs and checks page tokens with the server's key (32 bytes), the same on every process of a server."""

    def __init__(self, key: bytes) -> None:
        self._seal = Seal("page-token", {1: key}, mac_bytes=16)

    def digest(self, caller: Caller, mailbox_id: bytes, request: Message) -> bytes:
        """What a token is bound to: the caller's account, the mailbox and the query. 16 bytes.

        ``request`` is the request without its page fields (page_size, page_token): the page size may change between pages.
        """
        query = request.SerializeToString(deterministic=True)
        name = request.DESCRIPTOR.full_name.encode()
        bound = b"".join((caller.account_id, len(mailbox_id).to_bytes(1, "big"), mailbox_id, name, b"\0", query))
        return hashlib.sha256(bound).digest()[:16]

    def encode(self, digest: bytes, *, number: int | None = None, text: str | None = None, item_id: bytes = b"") -> str:
        """A token for the page after the record with this sort key, number or text, and id."""
        return self._seal.close(PageToken(query_digest=digest, number=number, text=text, id=item_id).SerializeToString())

    def decode(self, page_token: str, digest: bytes) -> PageToken | None:
        """What the token holds; None for "", the first page.

        InvalidArgument ``PAGE_TOKEN_INVALID`` for a token that this server did not give, or gave for another query.
        """
        if not page_token:
            return None
        payload = self._seal.open(page_token)
        if payload is None:
            raise _invalid("the page token is damaged, or not of this server: begin with the first page")
        token = PageToken.FromString(payload)
        if not hmac.compare_digest(token.query_digest, digest):
            raise _invalid("the page token belongs to another query: begin with the first page")
        return token


def _invalid(message: str) -> InvalidArgument:
    return InvalidArgument("PAGE_TOKEN_INVALID", message, field="page_token")

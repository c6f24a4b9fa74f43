"""Page tokens and page sizes of offline lists. A token never leaves this machine, so nobody seals it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from rookery.internal.v1.packed_pb2 import PageToken
from rookery_core.errors import InvalidArgument
from rookery_core.rules.recurrence.agenda import Place

if TYPE_CHECKING:
    from google.protobuf.message import Message

MOST = 500
"""Entries a page."""
_DEFAULT = 50


def size_of(wanted: int, what: str) -> int:
    """How many entries a page has. InvalidArgument ``LIMIT_EXCEEDED`` for more than 500; ``what`` they are."""
    if wanted > MOST:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a page holds at most {MOST} {what}", field="page_size")
    return wanted or _DEFAULT


def digest_of(request: Message) -> bytes:
    """What a page token is bound to: the request without its page fields."""
    query = type(request)()
    query.CopyFrom(request)
    query.ClearField("page_token")
    query.ClearField("page_size")
    return hashlib.sha256(query.DESCRIPTOR.name.encode() + query.SerializeToString(deterministic=True)).digest()[:16]


def token_of(digest: bytes, place: tuple[int | str, bytes] | None) -> str:
    """The token for the page behind a place, sort key and id; "" at the end."""
    if place is None:
        return ""
    key, entry_id = place
    token = PageToken(query_digest=digest, id=entry_id)
    if isinstance(key, str):
        token.text = key
    else:
        token.number = key
    return base64.urlsafe_b64encode(token.SerializeToString()).decode("ascii")


def decoded(page_token: str, digest: bytes) -> PageToken | None:
    """What a token holds; None for the first page. InvalidArgument ``PAGE_TOKEN_INVALID`` for one that is not of this list."""
    if not page_token:
        return None
    try:
        token = PageToken.FromString(base64.urlsafe_b64decode(page_token))
    except (binascii.Error, ValueError, DecodeError):
        token = PageToken()
    if token.query_digest != digest:
        raise InvalidArgument(
            "PAGE_TOKEN_INVALID", "the page token belongs to another query: begin with the first page", field="page_token"
        )
    return token


def token_behind(digest: bytes, place: Place | None) -> str:
    """The token for the page behind a place of an agenda; "" at the end."""
    if place is None:
        return ""
    token = PageToken(query_digest=digest, number=place.begins, text=place.text, id=place.item_id)
    return base64.urlsafe_b64encode(token.SerializeToString()).decode("ascii")


def occurrence_of(page_token: str, digest: bytes) -> Place | None:
    """The place of an agenda behind which the page is; None for the first page. Raises as ``decoded``."""
    token = decoded(page_token, digest)
    return None if token is None else Place.read(token.number, token.id, token.text)


def place_of(page_token: str, digest: bytes) -> tuple[int | str, bytes] | None:
    """The place behind which the page is; None for the first page. Raises as ``decoded``."""
    token = decoded(page_token, digest)
    return None if token is None else (token.text if token.HasField("text") else token.number, token.id)

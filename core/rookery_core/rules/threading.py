"""Conversations: which messages belong together."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rookery_core.rules.subjects import sort_key

if TYPE_CHECKING:
    from collections.abc import Sequence

CONVERSATION_ID_BYTES = 16


def conversation_id(*, message_id: str, in_reply_to: str, references: Sequence[str], subject: str, from_address: str) -> bytes:
    """The id that all messages of a conversation share: 16 bytes, a function of the message's own header alone.

    The conversation is named by its root, the first of these that is there:

    1. the oldest id of References (RFC 5322 section 3.6.4: replies carry the root on),
    2. In-Reply-To, for senders that write no References,
    3. the message's own Message-ID: it may become a root,
    4. the sender and the subject without prefixes of replies, for messages without any id.

    Nothing is looked up, so that two servers, an import in any order and an offline client agree. The price: a sender that cuts
    References at the old end begins a new conversation. Ids are compared as written (RFC 5322 makes them case-sensitive).
    Message ids carry no angle brackets; empty strings count as absent.
    """
    root = next((reference for reference in references if reference), "") or in_reply_to or message_id
    key = f"id\0{root}" if root else f"subject\0{from_address.lower()}\0{sort_key(subject)}"
    return hashlib.sha256(key.encode()).digest()[:CONVERSATION_ID_BYTES]

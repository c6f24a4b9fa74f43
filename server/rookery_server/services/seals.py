"""Seals: bytes that travel through a client's hands and come back unchanged, or not at all."""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 4096
"""Characters. No sealed text of ours is longer: what is, is not even decoded."""


class Seal:
    """Signs with HMAC-SHA256 (RFC 2104), cut to ``mac_bytes``; the text is base64url (RFC 4648 section 5) and names its key.

    ``keys``: 32 bytes each, by a number from 1 to 255. The greatest signs; all others still open what they signed.
    """

    def __init__(self, purpose: str, keys: Mapping[int, bytes], mac_bytes: int = 32) -> None:
        self._purpose = purpose.encode() + b"\0"
        self._keys = dict(keys)
        self._newest = max(self._keys)
        self._mac_bytes = mac_bytes

    def close(self, payload: bytes) -> str:
        """The payload, readable by everybody, changeable by nobody."""
        signed = bytes([self._newest]) + payload
        return urlsafe_b64encode(signed + self._mac(self._newest, signed)).rstrip(b"=").decode()

    def open(self, text: str) -> bytes | None:
        """The payload; None if the text was not closed with one of these keys for this purpose."""
        if not text or len(text) > LONGEST:
            return None
        try:
            whole = b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        except ValueError:
            return None
        signed, mac = whole[: -self._mac_bytes], whole[-self._mac_bytes :]
        if not signed or signed[0] not in self._keys or not hmac.compare_digest(mac, self._mac(signed[0], signed)):
            return None
        return signed[1:]

    def _mac(self, key_id: int, signed: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], self._purpose + signed, "sha256")[: self._mac_bytes]

"""Content-Transfer-Encodings (RFC 2045 section 6) and uuencode, decoded leniently. Never raises."""

from __future__ import annotations

import binascii
from typing import Final

from rookery_core.formats.tnef import counted_block

IDENTITY: Final = "identity"
BASE64: Final = "base64"
QUOTED_PRINTABLE: Final = "quoted-printable"
UUENCODE: Final = "uuencode"

_KNOWN: Final = {
    "": IDENTITY,
    "7bit": IDENTITY,
    "7-bit": IDENTITY,
    "8bit": IDENTITY,
    "8-bit": IDENTITY,
    "8bits": IDENTITY,
    "binary": IDENTITY,
    "base64": BASE64,
    "base-64": BASE64,
    "quoted-printable": QUOTED_PRINTABLE,
    "quoted printable": QUOTED_PRINTABLE,
    "qp": QUOTED_PRINTABLE,
    "uuencode": UUENCODE,
    "x-uuencode": UUENCODE,
    "uue": UUENCODE,
    "x-uue": UUENCODE,
}

_BASE64_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64_ALPHABET))
_LINE_ENDS: Final = b"\r\n"
_PADDINGS: Final = (b"", b"=", b"==")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


def encoding_named(value: str) -> tuple[str, bool]:
    """The encoding that a Content-Transfer-Encoding field names, and whether it is a known one; unknown ones are "identity"."""
    name = value.partition(";")[0].strip().strip('"').lower()
    known = _KNOWN.get(name)
    return (known, True) if known is not None else (IDENTITY, False)


def decode_part(encoded: bytes, encoding: str) -> bytes:
    """The decoded bytes of a part's body; what can not be decoded is skipped (base64) or left as it is (quoted-printable).

    ``encoding`` is "identity", "base64", "quoted-printable" or "uuencode", or what ``inner`` gives; any other counts as "identity".
    """
    if encoding == BASE64:
        return _from_base64(encoded)
    if encoding == QUOTED_PRINTABLE:
        if b"\r" in encoded and b"\n" not in encoded:
            encoded = encoded.replace(b"\r", b"\n")
        return binascii.a2b_qp(encoded)
    if encoding == UUENCODE:
        return _from_uuencode(encoded)
    outer, at, offset = encoding.partition("@")
    if at and offset.isascii() and offset.isdigit():
        return counted_block(decode_part(encoded, _KNOWN.get(outer, IDENTITY)), int(offset))
    return encoded


def inner(encoding: str, offset: int) -> str:
    """What decodes to a file inside a part: the counted block that begins at ``offset`` of the part's decoded bytes.

    "base64@1234", for example; at most 20 characters.
    """
    return f"{'qp' if encoding == QUOTED_PRINTABLE else encoding}@{offset}"


def decoded_size(encoded: bytes, encoding: str) -> int:
    """How many bytes ``decode_part`` gives. Well-formed base64 is only counted, not decoded."""
    if encoding == IDENTITY:
        return len(encoded)
    if encoding == BASE64:
        others = encoded.translate(None, _BASE64_ALPHABET)
        padding = others.translate(None, _LINE_ENDS)
        digits = len(encoded) - len(others) + len(padding)
        if digits % 4 == 0 and padding in _PADDINGS and encoded[-8:].rstrip(_LINE_ENDS).endswith(padding):
            return digits // 4 * 3 - len(padding)
    return len(decode_part(encoded, encoding))


def _from_base64(encoded: bytes) -> bytes:
    pad = encoded.find(b"=")
    if pad < 0 or not encoded[pad:].strip(b"=\r\n\t "):
        try:
            return binascii.a2b_base64(encoded)
        except binascii.Error:
            return _repaired_base64(encoded)
    # Text after the padding: several encoded blocks one after another, or rubbish such as a mailing list's footer.
    pieces = [piece for piece in encoded.split(b"=") if piece.strip()]
    return b"".join(_repaired_base64(piece) for piece in pieces)


def _repaired_base64(encoded: bytes) -> bytes:
    """Decodes what is of the alphabet (or the URL-safe one) and drops an incomplete last group of one character."""
    digits = encoded
    if (b"-" in digits or b"_" in digits) and b"+" not in digits and b"/" not in digits:
        digits = digits.translate(_URL_SAFE)
    digits = digits.translate(None, _NOT_BASE64)
    rest = len(digits) % 4
    if rest == 1:
        digits, rest = digits[:-1], 0
    return binascii.a2b_base64(digits + b"=" * (-rest % 4))


def _from_uuencode(encoded: bytes) -> bytes:
    """The data between ``begin`` and ``end``; without a ``begin`` line, of all lines."""
    lines = encoded.splitlines()
    begin = next((index for index, line in enumerate(lines) if line.startswith(b"begin ")), -1)
    decoded = []
    for line in lines[begin + 1 :]:
        if line.strip() == b"end":
            break
        decoded.append(_uu_line(line))
    return b"".join(decoded)


def _uu_line(line: bytes) -> bytes:
    """One line; as senders have added a check character or cut trailing blanks, it is made as long as its first byte says."""
    if not line or not 32 <= line[0] <= 96:
        return b""
    groups = (((line[0] - 32) & 63) * 4 + 5) // 3
    body = line[1 : groups + 1].ljust(groups)
    try:
        return binascii.a2b_uu(line[:1] + body)
    except binascii.Error:
        return b""

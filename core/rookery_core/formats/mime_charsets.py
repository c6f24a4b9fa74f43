"""Bytes of mail to text: declared charsets, undeclared ones, and wrongly declared ones. Never raises."""

from __future__ import annotations

import encodings.aliases
import functools
import re

_MOST_LABEL = 60

_OWN_ALIASES = {
    # Labels that mean "somebody else's default": guessed like undeclared text.
    "ansi": None,
    "ansi_x3_4_1968": None,
    "ascii": None,
    "default": None,
    "default_charset": None,
    "none": None,
    "unknown": None,
    "unknown_8bit": None,
    "us_ascii": None,
    "usascii": None,
    "user_defined": None,
    "x_unknown": None,
    "x_user_defined": None,
    # What browsers and mail clients read them as (WHATWG Encoding Standard, section 4.2).
    "cseuckr": "cp949",
    "euc_kr": "cp949",
    "euckr": "cp949",
    "gb2312": "gb18030",
    "gb_2312": "gb18030",
    "gb_2312_80": "gb18030",
    "gbk": "gb18030",
    "iso_2022_jp": "iso2022_jp_ext",
    "iso2022_jp": "iso2022_jp_ext",
    "iso_8859_1": "cp1252",
    "iso8859_1": "cp1252",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_11": "cp874",
    "iso_8859_9": "cp1254",
    "korean": "cp949",
    "ks_c_5601": "cp949",
    "ks_c_5601_1987": "cp949",
    "ks_c_5601_1989": "cp949",
    "ksc5601": "cp949",
    "l1": "cp1252",
    "latin1": "cp1252",
    "latin_1": "cp1252",
    "macintosh": "mac_roman",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "tis_620": "cp874",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "windows_874": "cp874",
    "windows_31j": "cp932",
    "x_cp1250": "cp1250",
    "x_cp1251": "cp1251",
    "x_cp1252": "cp1252",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gb18030",
    "x_mac_roman": "mac_roman",
    "x_sjis": "cp932",
    "x_windows_949": "cp949",
}

_NOT_TEXT = {
    "base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
}  # fmt: skip

# Only names of this table reach Python's codec registry, which would import modules for, and remember, whatever it is asked.
_CODECS: dict[str, str | None] = {}
for _alias, _codec in encodings.aliases.aliases.items():
    if _codec not in _NOT_TEXT:
        _CODECS[_alias] = _CODECS[_codec] = _codec
_CODECS |= {"koi8_u": "koi8_u", "koi8_r": "koi8_r", "utf_8_sig": "utf_8_sig", "cp874": "cp874", "mac_roman": "mac_roman"}
_CODECS |= _OWN_ALIASES

_SEPARATORS = re.compile(r"[^a-z0-9]+")


@functools.lru_cache(maxsize=512)
def codec_for(label: str) -> str | None:
    """The Python codec for a charset label, or None where the label says nothing (absent, unknown, "us-ascii")."""
    name = _SEPARATORS.sub("_", label[:_MOST_LABEL].lower()).strip("_")
    for candidate in (name, name.removeprefix("x_"), name.removeprefix("cs"), name.replace("windows_", "cp").replace("cp_", "cp")):
        if candidate in _CODECS:
            return _CODECS[candidate]
    return None


def is_known(label: str) -> bool:
    """Whether the label says in what charset the text is."""
    name = _SEPARATORS.sub("_", label[:_MOST_LABEL].lower()).strip("_")
    return codec_for(label) is not None or name in {"ascii", "us_ascii", "usascii", "ansi_x3_4_1968"}


def decode(data: bytes, label: str, fallback: str = "") -> str:
    """The text of ``data`` in the charset ``label``; undeclared text is UTF-8, else ``fallback``'s charset, else windows-1252.

    Bytes that mean nothing become U+FFFD. NUL is dropped; the text can be encoded as UTF-8 (no lone surrogates).
    """
    codec = codec_for(label) if label else None
    text = _decode_declared(data, codec) if codec not in (None, "utf_8") else _decode_unicode(data, codec, fallback)
    return text.replace("\0", "") if "\0" in text else text


def _decode_declared(data: bytes, codec: str) -> str:
    if codec == "cp1252":
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    text = data.decode(codec, "replace")
    if codec.startswith("utf_") and any("\ud800" <= character <= "\udfff" for character in text):
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _decode_unicode(data: bytes, codec: str | None, fallback: str) -> str:
    """UTF-8 where it fits, or mostly fits and is declared; else the fallback."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if codec is not None:
        text = data.decode("utf-8", "replace")
        wrong = text.count("\ufffd")
        if sum(character > "\x7f" for character in text) - wrong >= wrong:
            return text
    other = codec_for(fallback) if fallback else None
    return _decode_declared(data, other if other not in (None, "utf_8") else "cp1252")

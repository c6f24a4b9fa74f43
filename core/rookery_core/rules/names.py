"""Names: how they compare, and which are allowed."""

from __future__ import annotations

import unicodedata

from rookery_core.errors import InvalidArgument

FOLDER_NAME_LENGTH = 255
CATEGORY_LENGTH = 255
CATEGORIES = 100
_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def key(text: str) -> str:
    """What two names share if they differ by no more than case or the composition of characters (NFC, case-fold)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def folder_name(text: str, field: str = "folder.name") -> str:
    """The name as it is kept: NFC, without white space around it. InvalidArgument ``FIELD_INVALID`` if it can not be one.

    1 to 255 characters, no "/" (it separates the parts of a path) and no control characters.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InvalidArgument("FIELD_INVALID", "a folder's name can not be empty", field=field)
    if len(name) > FOLDER_NAME_LENGTH or len(key(name)) > 3 * FOLDER_NAME_LENGTH:
        raise InvalidArgument("FIELD_INVALID", f"a folder's name has at most 255 characters, this has {len(name)}", field=field)
    if "/" in name or name in {".", ".."} or any(unicodedata.category(character) in _FORBIDDEN for character in name):
        raise InvalidArgument("FIELD_INVALID", "a folder's name can not hold “/” or control characters", field=field)
    return name


def categories(names: list[str], field: str = "categories") -> list[str]:
    """Category names as they are kept: NFC, trimmed, unique by case-fold, in order. InvalidArgument beyond the limits."""
    kept: dict[str, str] = {}
    for name in names:
        clean = unicodedata.normalize("NFC", name).strip()
        if not _is_category(clean):
            raise InvalidArgument("FIELD_INVALID", "a category has 1 to 255 characters and no control characters", field=field)
        kept.setdefault(key(clean), clean)
    if len(kept) > CATEGORIES:
        raise InvalidArgument("LIMIT_EXCEEDED", f"an item has at most {CATEGORIES} categories", field=field)
    return list(kept.values())


def shortened_category(text: str) -> str:
    """A category's name made of any text: white space folded, control characters left out, cut; "" where nothing is left."""
    words = " ".join(unicodedata.normalize("NFC", text).split())
    clean = "".join(character for character in words if unicodedata.category(character) not in _FORBIDDEN)
    clean = clean[:CATEGORY_LENGTH].strip()
    while clean and not _is_category(clean):
        clean = clean[:-1].strip()
    return clean


def _is_category(name: str) -> bool:
    return (
        0 < len(name) <= CATEGORY_LENGTH
        and len(key(name)) <= CATEGORY_LENGTH
        and all(unicodedata.category(character) not in _FORBIDDEN for character in name)
    )

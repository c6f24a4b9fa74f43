"""Files that commands write: whole or not at all, and never outside the place that was named."""

from __future__ import annotations

import errno
import os
import pathlib
import re
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from rookery_client.cli.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNFIT = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]+')


@contextmanager
def written(path: pathlib.Path | None) -> Iterator[BinaryIO]:
    """A file to write to, which takes its name only when everything is written; stdout without a path."""
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = pathlib.Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        # mkstemp lets nobody else read; the file shall be as any other that the owner makes.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def require_free(path: pathlib.Path) -> pathlib.Path:
    """The path; FileExistsError if something is there."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "is there already: name another with --output", str(path))
    return path


def safe_name(name: str, otherwise: str) -> str:
    """A file name that somebody else chose, made harmless: no path, no controls, not hidden, at most 200 bytes."""
    plain = _UNFIT.sub("_", clean(name)).strip(". ")
    while len(plain.encode("utf-8")) > 200:
        stem, dot, ending = plain.rpartition(".")
        plain = f"{stem[:-1]}{dot}{ending}" if stem and len(ending) <= 10 else plain[:-1]
    return plain or otherwise

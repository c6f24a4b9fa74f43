"""The real input in ../shared/corpus, unpacked once a test run; tests skip where it is absent."""

from __future__ import annotations

import functools
import gzip
import pathlib
import tarfile
import tempfile

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "shared" / "corpus"


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="rookery-corpus-", ignore_cleanup_errors=True)


@functools.cache
def _unpacked(name: str) -> pathlib.Path:
    target = pathlib.Path(_scratch().name) / name
    with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
        archive.extractall(target, filter="data")
    return target


def files(name: str, pattern: str = "*") -> list[pathlib.Path]:
    """The files of one archive ("mime", "calendars", "contacts"), sorted by path; [] where the corpus is absent."""
    if not (FOLDER / f"{name}.tar.gz").exists():
        return []
    return sorted(path for path in _unpacked(name).rglob(pattern) if path.is_file())


def require(name: str) -> None:
    """Skips the calling test where the corpus is absent."""
    if not (FOLDER / name).exists():
        pytest.skip(f"no ../shared/corpus/{name} beside this checkout")


@functools.cache
def mbox() -> pathlib.Path:
    """The mbox of 1,650 real messages, unpacked."""
    require("mail.mbox.gz")
    target = pathlib.Path(_scratch().name) / "mail.mbox"
    target.write_bytes(gzip.decompress((FOLDER / "mail.mbox.gz").read_bytes()))
    return target

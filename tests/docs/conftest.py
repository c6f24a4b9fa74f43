"""One demonstration server for all tests of the documentation: what `make run` starts, on a free port."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = pathlib.Path(sys.executable).parent
DOCUMENTED_ADDRESS = "127.0.0.1:6464"
"""Where the documentation has the server: what `rookeryd` listens on if nobody says otherwise."""
DOCUMENTED_DATA = "data/demo"
"""Where the documentation has the demonstration's data: what `rookeryd demo` takes if nobody says otherwise."""

STARTS_WITHIN_LINES = 200


@dataclass(frozen=True)
class Demo:
    """A running demonstration."""

    address: str
    data: pathlib.Path
    printed: str
    """What it said at the start."""

    def environment(self, home: pathlib.Path) -> dict[str, str]:
        """The environment of somebody who has just come: nothing of whoever runs the tests, times in UTC, a terminal 80 wide."""
        return {
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    def here(self, text: str) -> str:
        """Text of the documentation, with the address and the folder that this server has."""
        return text.replace(DOCUMENTED_ADDRESS, self.address).replace(DOCUMENTED_DATA, str(self.data))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demonstration, started once."""
    data = tmp_path_factory.mktemp("demo") / "data"
    log = data.with_name("log")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [str(BIN / "rookeryd"), "demo", "--data", str(data), "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    printed: list[str] = []
    try:
        for line in process.stdout:
            printed.append(line)
            if line.startswith("rookeryd: serving on ") or len(printed) > STARTS_WITHIN_LINES:
                break
        assert printed, log.read_text()
        assert printed[-1].startswith("rookeryd: serving on "), "".join(printed) + log.read_text()
        yield Demo(printed[-1].split()[-1], data, "".join(printed))
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()

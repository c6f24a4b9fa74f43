"""The README's tour, typed as it is printed, against a real demonstration server; and its program in Python."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from rookery_server.config import SETTINGS
from tests.docs.conftest import DOCUMENTED_ADDRESS
from tests.docs.pages import README, ROOT, blocks, commands, fits

if TYPE_CHECKING:
    import pathlib

    from tests.docs.conftest import Demo

END = "==end of command=="
SECONDS = 120


class Shell:
    """One bash, as a person has it before them: variables and files of one command are there for the next."""

    def __init__(self, home: pathlib.Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=environment,
            text=True,
        )

    def type(self, command: str) -> tuple[int, str]:
        """Types a command; gives its exit status and what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Commands must not read what is typed next: they get their input from nowhere, or from where they say themselves.
        self._process.stdin.write(f"{{ {command}\n}} < /dev/null\nprintf '\\n{END}%s\\n' $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), "".join(lines).removesuffix("\n")
            lines.append(line)
        raise AssertionError(f"the shell ended at: {command}\n{''.join(lines)}")

    def close(self) -> None:
        """Ends it."""
        self._process.communicate(timeout=SECONDS)


def test_the_tour_works_as_it_is_printed(demo: Demo, tmp_path: pathlib.Path) -> None:
    typed = commands(README)
    assert len(typed) >= 15
    shell = Shell(tmp_path, demo.environment(tmp_path))
    try:
        for command in typed:
            status, output = shell.type(demo.here(command.text))
            assert status == 0, f"$ {command.text}\n{output}"
            shown = [demo.here(line) for line in command.shown]
            if shown or output.strip():
                assert fits(shown, output), f"$ {command.text}\nthe README shows:\n" + "\n".join(shown) + f"\nit prints:\n{output}"
    finally:
        shell.close()


def test_the_tour_shows_the_commands_that_people_need_first() -> None:
    shown = {word for command in commands(README) for word in re.findall(r"\brookeryd? [a-z-]+", command.text)}
    needed = "login folders ls show search import export mkdir move mark rm restore status logout"
    assert {f"rookery {word}" for word in needed.split()} - shown == set()
    assert "rookeryd account" in shown


def test_the_server_listens_where_the_documentation_says() -> None:
    assert {setting.name: setting.default for setting in SETTINGS}["listen"] == DOCUMENTED_ADDRESS


def test_make_run_starts_the_demonstration() -> None:
    recipe = re.search(r"^run:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert recipe is not None
    assert recipe[1].split() == ["$(BIN)/rookeryd", "demo"]


def test_the_readme_shows_what_the_demonstration_prints(demo: Demo) -> None:
    (shown,) = [block for block in blocks(README, "text") if "serving on" in block]
    assert fits([demo.here(line) for line in shown.rstrip("\n").split("\n")], demo.printed)


def test_the_programs_in_python_work_as_they_are_printed(demo: Demo, tmp_path: pathlib.Path) -> None:
    programs = blocks(README, "python")
    assert programs
    for program in programs:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", demo.here(program)],
            cwd=tmp_path,
            env=demo.environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
        assert done.stderr == ""

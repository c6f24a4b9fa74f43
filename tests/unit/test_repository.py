"""What the files of the repository promise as a whole: no trace of one machine, complete locks, no hidden clock."""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
CODE = ("core", "server", "client", "migrations")
BINARY = {".png", ".ico", ".gz", ".zip", ".db", ".p12", ".binpb"}


@functools.cache
def files() -> list[pathlib.Path]:
    """The files that belong to the repository: those committed, and those that would be."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(listing, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git, or not a git checkout")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[pathlib.Path, str]]:
    for path in files():
        if path.suffix not in BINARY and path != pathlib.Path(__file__).resolve() and "testdata" not in path.parts:
            yield path.relative_to(ROOT), path.read_text("utf-8", errors="replace")


def sources() -> Iterator[tuple[pathlib.Path, ast.Module]]:
    for path in files():
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE:
            yield path.relative_to(ROOT), ast.parse(path.read_text("utf-8"))


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def locked(name: str) -> dict[str, str]:
    """Package -> version of a lock file."""
    pins = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
    return dict(pins)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_name_no_index_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert re.findall(r"https?:|file:|index|find-links|@ |/", text) == []


@pytest.mark.parametrize("name", LOCKS)
def test_everything_locked_has_hashes(name: str) -> None:
    entries = re.split(r"^(?=[a-z])", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked(name))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = pyproject()
    runtime = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted = {LOCKS[0]: runtime, LOCKS[1]: [*runtime, *project["dependency-groups"]["dev"]]}
    for name, requirements in wanted.items():
        pins = locked(name)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), f"{requirement}: run `make lock`"


def test_what_is_tested_is_what_runs() -> None:
    assert locked(LOCKS[0]).items() <= locked(LOCKS[1]).items()


def test_nothing_names_a_folder_of_one_machine() -> None:
    places = re.compile(r"(?<![\w.])/(?:work|root|home|Users|opt|mnt)/\w+")
    assert [(str(path), match.group()) for path, text in texts() for match in places.finditer(text)] == []


def test_nothing_names_a_package_index() -> None:
    hosts = re.compile(r"--(?:extra-)?index-url|PIP_INDEX|UV_INDEX|pypi\.org/simple|artifactory|devpi", re.IGNORECASE)
    assert [(str(path), match.group()) for path, text in texts() for match in hosts.finditer(text)] == []


def test_no_work_is_put_off() -> None:
    # Put together here, so that this file does not find itself.
    marks = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]) + r")\b")
    own = [(path, text) for path, text in texts() if path.suffix == ".py" and "gen" not in path.parts]
    assert [(str(path), match.group()) for path, text in own for match in marks.finditer(text)] == []


def test_modules_stay_below_four_hundred_lines() -> None:
    long = {str(p): n for p, text in texts() if p.suffix == ".py" and "gen" not in p.parts and (n := text.count("\n")) > 400}
    assert long == {}


def _dotted(node: ast.expr) -> str:
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _uses(tree: ast.Module, names: set[str]) -> list[str]:
    """The names out of the set that the code uses by their dotted names."""
    return [_dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _dotted(node) in names]


def test_only_the_clock_tells_the_time_of_day() -> None:
    asking = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    asking |= {f"datetime.{name}" for name in asking if name.startswith("date")}
    clock = pathlib.Path("core/rookery_core/rules/clock.py")
    assert {str(path): used for path, tree in sources() if path != clock and (used := _uses(tree, asking))} == {}


def test_only_settings_and_commands_read_the_environment() -> None:
    asking = {"os.environ", "os.getenv", "os.environb"}
    allowed = re.compile(r"server/rookery_server/(config\.py|cli/)|client/rookery_client/cli/")
    asked = {str(path): used for path, tree in sources() if not allowed.match(str(path)) and (used := _uses(tree, asking))}
    assert asked == {}


def test_services_know_of_sql_no_more_than_the_type_of_a_connection() -> None:
    known = {}
    for path, tree in sources():
        if path.is_relative_to("server/rookery_server/services"):
            guarded = [step for node in tree.body if isinstance(node, ast.If) for step in node.body]
            modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "sqlalchemy" in (node.module or "")]
            free = [node.lineno for node in froms if node not in guarded or [a.name for a in node.names] != ["Connection"]]
            if free or any("sqlalchemy" in module for module in modules):
                known[str(path)] = free
    assert known == {}


def test_no_error_is_swallowed() -> None:
    bare = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or _dotted(node.type) in {"Exception", "BaseException"}
                if broad and all(isinstance(step, ast.Pass) for step in node.body):
                    bare.append(f"{path}:{node.lineno}")
    assert bare == []


def test_every_target_of_the_makefile_is_in_its_help() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = next(re.finditer(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)).group(1).split()
    assert [target for target in targets if target != "help" and f'@echo "make {target} ' not in text] == []
    assert [target for target in targets if not re.search(rf"^{target}:", text, flags=re.MULTILINE)] == []


def test_continuous_integration_runs_what_the_makefile_checks() -> None:
    check = re.findall(r"^check: (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert check == ["lint test"]
    assert re.findall(r"^make (\w+)$", (ROOT / ".ci" / "run").read_text("utf-8"), flags=re.MULTILINE) == ["lint", "test"]

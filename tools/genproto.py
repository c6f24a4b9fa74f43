"""Generates proto/gen from proto/: `make proto`. With --check, only says whether the committed code is up to date."""

from __future__ import annotations

import filecmp
import importlib.util
import pathlib
import shutil
import sys
import tempfile

from grpc_tools import protoc  # type: ignore[import-untyped]

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
GEN = PROTO / "gen"


def generate(into: pathlib.Path) -> None:
    """Runs protoc over every .proto file; exits with its status on an error."""
    bundled = importlib.util.find_spec("google.rpc")
    tools = importlib.util.find_spec("grpc_tools")
    assert bundled is not None and bundled.submodule_search_locations, "googleapis-common-protos is not installed"
    assert tools is not None and tools.origin, "grpcio-tools is not installed"
    google = pathlib.Path(next(iter(bundled.submodule_search_locations))).parent.parent
    sources = sorted(str(path) for path in (PROTO / "rookery").rglob("*.proto"))
    programs = pathlib.Path(sys.executable).parent  # the virtual environment's own, whether or not it is on the PATH
    options = [
        f"--plugin=protoc-gen-mypy={programs / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={programs / 'protoc-gen-mypy_grpc'}",
        f"-I{PROTO}",
        f"-I{google}",
        f"-I{pathlib.Path(tools.origin).parent / '_proto'}",
        f"--python_out={into}",
        f"--mypy_out=readable_stubs:{into}",
    ]
    services = [source for source in sources if "service " in pathlib.Path(source).read_text("utf-8")]
    status = protoc.main(["protoc", *options, *sources])
    status = status or protoc.main(["protoc", *options[:5], f"--grpc_python_out={into}", f"--mypy_grpc_out={into}", *services])
    if status:
        sys.exit(status)
    for package in [into / "rookery", *(path for path in (into / "rookery").rglob("*") if path.is_dir())]:
        (package / "__init__.py").touch()
        (package / "py.typed").touch()


def stale(fresh: pathlib.Path) -> list[str]:
    """The files that differ between fresh generated code and the committed one."""
    names = {str(p.relative_to(base)) for base in (fresh, GEN) for p in base.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    return sorted(
        name
        for name in names
        if not ((fresh / name).exists() and (GEN / name).exists() and filecmp.cmp(fresh / name, GEN / name, shallow=False))
    )


def main() -> None:
    """Generates, or with --check compares."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = pathlib.Path(scratch)
        generate(fresh)
        if "--check" in sys.argv[1:]:
            if changed := stale(fresh):
                sys.exit("generated code is out of date, run `make proto`: " + ", ".join(changed))
            return
        shutil.rmtree(GEN, ignore_errors=True)
        shutil.copytree(fresh, GEN)


if __name__ == "__main__":
    main()

"""Writes the two lock files from pyproject.toml: `make lock`. Needs uv beside the running Python; nothing else here does.

The files fit every platform and every Python that pyproject.toml allows, carry hashes, and name no package index. The runtime
lock holds what the server and the client need plus the build backend, because the installation is an editable one built without
isolation; its versions are those of the development lock, so that what is tested is what runs.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVELOPMENT = "requirements-dev.lock"
RUNTIME = "requirements.lock"
OPTIONS = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
OPTIONS += ["--no-annotate", "--no-header", "--quiet"]


def compile_lock(target: str, sources: list[str], requirements: list[str]) -> None:
    """Resolves the sources and further requirements into the target; versions locked there are kept where they fit."""
    uv = pathlib.Path(sys.executable).parent / "uv"
    command = [str(uv), "pip", "compile", *OPTIONS, *sources, "-", "--output-file", target]
    subprocess.run(command, input="\n".join(requirements), text=True, cwd=ROOT, check=True)


def main() -> None:
    """Locks. With --upgrade, takes the newest versions instead of keeping the locked ones."""
    if "--upgrade" in sys.argv[1:]:
        OPTIONS.append("--upgrade")
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    compile_lock(DEVELOPMENT, ["pyproject.toml", "--group", "dev"], backend)
    compile_lock(RUNTIME, ["pyproject.toml", "--constraints", DEVELOPMENT], backend)


if __name__ == "__main__":
    main()

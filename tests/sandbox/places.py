"""A session's folder for tests of launchers, and what a shell in it says."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from loopagent.domain.ids import new_session_id
from loopagent.sandbox.launcher import Launcher, LaunchSpec, Places
from loopagent.sandbox.levels import Machine
from loopagent.sandbox.limits import Limits
from tests.support.process import shared_programs

TOKEN = "lag_0123456789-_abcdef"


def machine(root: Path, **limits: int) -> Machine:
    return Machine(root=root, programs=shared_programs(), limits=Limits(**limits))


def made(root: Path) -> Places:
    """The four places below `root`."""
    places = Places(**{name: root / name for name in ("workspace", "config", "home", "tmp")})
    for place in (places.workspace, places.config, places.home, places.tmp):
        place.mkdir(parents=True, mode=0o700)
    return places


def spec(folder: Places, **more: object) -> LaunchSpec:
    """A launch of a shell."""
    given: dict[str, object] = {
        "session_id": new_session_id(),
        "folder": folder,
        "base_url": "http://127.0.0.1:1",
        "token": TOKEN,
        "socket": _socket(folder),
        "program": Path("/bin/sh"),
    }
    return LaunchSpec(**{**given, **more})  # type: ignore[arg-type]


def say(launcher: Launcher, prepared: LaunchSpec, script: str) -> str:
    """What a shell script prints when it runs through the launcher; its errors with it."""
    done = subprocess.run(
        [launcher.prepare(prepared), "-c", f"exec 2>&1; {script}"],
        env={"PATH": "/usr/bin:/bin", "CANARY": "1"},
        cwd=prepared.folder.workspace,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.stdout + done.stderr


def _socket(folder: Places) -> Path:
    path = folder.workspace.with_name("s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path

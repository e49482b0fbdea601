"""A server as its users start it: a process of its own, on a real port, that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

import loopagent

_READY_WITHIN = 30.0


def surroundings() -> dict[str, str]:
    """The environment of a program under test."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # Coverage of the process, where the tests are measured.
    kept |= {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
    # The very package that the tests import, wherever another one is installed.
    return kept | {"PYTHONPATH": str(Path(loopagent.__file__).parents[1])}


class ServerProcess:
    """`loop-agent serve` with its own folders below `home`."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.settings = settings
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self.output = home / "server.log"

    @property
    def workspaces(self) -> Path:
        return self.home / "workspaces"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def environment(self) -> dict[str, str]:
        return surroundings() | {
            "HOME": str(self.home),
            "PORT": "0",
            "DATABASE_URL": f"file:{self.home}/data/sessions.db",
            "WORKSPACE_ROOT": str(self.workspaces),
            "LOOP_AGENT_DATA_DIR": str(self.home / "data"),
            # The tests that ask for more say so.
            "LOOP_AGENT_ISOLATION": "none",
            "LOOP_AGENT_PROGRAMS_DIR": str(shared_programs()),
            **self.settings,
        }

    def start(self) -> ServerProcess:
        """Start and wait until it is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        note = self.home / "data" / "server.json"
        note.unlink(missing_ok=True)
        with self.output.open("a") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loopagent", "serve"],
                env=self.environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )
        until(lambda: note.exists() or self.has_ended, _READY_WITHIN)
        assert not self.has_ended, self.output.read_text()
        self.url = json.loads(note.read_text())["url"]
        until(self._is_ready, _READY_WITHIN)
        return self

    @property
    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """End it as a crash does: SIGKILL, no word of warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does; gives the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, sig: signal.Signals) -> int:
        if self._process is None:
            return 0
        if not self.has_ended:
            self._process.send_signal(sig)
        return self._process.wait(30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20)


@contextmanager
def server_process(home: Path, **settings: str) -> Iterator[ServerProcess]:
    """A running server, ended with the block."""
    server = ServerProcess(home, **settings)
    try:
        yield server.start()
    finally:
        try:
            server.stop()
        finally:
            server.kill()
            sweep(server)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that other users may pass to, as the sessions' own users must; pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="loop-agent-test-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        place.chmod(0o711)
        yield place


def shared_programs() -> Path:
    """One folder for all servers of all tests: the agent program's copy has 380 MB."""
    place = Path(tempfile.gettempdir()) / f"loop-agent-programs-{os.geteuid()}"
    place.mkdir(mode=0o711, exist_ok=True)
    return place


def sweep(server: ServerProcess) -> None:
    """No process of a session may outlive its test."""
    until(lambda: not processes_of(server.workspaces), 15)


def processes_of(place: Path) -> list[int]:
    """Processes that work below `place`, by their cwd, their command or their session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            cwd = str((entry / "cwd").readlink())
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        named = next((v[13:] for v in variables if v.startswith("LOOP_SESSION=")), "")
        works_there = bool(named) and (place.name == named or (place / named).is_dir())
        if cwd.startswith(str(place)) or str(place) in command or works_there:
            found.append(int(entry.name))
    return found


def until(condition: Any, seconds: float = 30.0) -> Any:
    """Poll `condition` until it holds; gives its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)

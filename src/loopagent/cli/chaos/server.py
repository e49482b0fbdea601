"""The server under test: a process of its own below one folder, started, killed and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx

import loopagent
from loopagent.errors import UnavailableError

_READY_WITHIN = 60.0
_END_WITHIN = 30.0
_POLL = 0.02
_PASSED_ON = ("PATH", "LANG")


class ServerUnderTest:
    """`loop-agent serve` with folders, a database and a port of its own."""

    def __init__(self, home: Path, isolation: str, max_live: int) -> None:
        self.home = home
        self.workspaces = home / "workspaces"
        self.database_url = f"file:{home}/data/sessions.db"
        self.log = home / "server.log"
        self._isolation = isolation
        self._max_live = max_live
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the process; `ready` waits until it serves."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loopagent", "serve"],
                env=self._environment(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C is for this command, which ends the server itself.
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Wait until it serves; raises UnavailableError if it ends or takes too long."""
        deadline = time.monotonic() + _READY_WITHIN
        async with httpx.AsyncClient(base_url=self.url, timeout=2) as client:
            while not await _serves(client):
                if self._process is None or self._process.poll() is not None:
                    raise UnavailableError(f"The server ended at its start. See {self.log}.")
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"The server did not serve within {_READY_WITHIN:.0f} s. See {self.log}."
                    )
                await anyio.sleep(_POLL)

    async def kill(self) -> None:
        """SIGKILL, as a crash or the kernel would."""
        await self._end(signal.SIGKILL)

    async def end(self) -> int:
        """SIGTERM, as an operator does; gives the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        process.send_signal(number)
        deadline = time.monotonic() + _END_WITHIN
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                await anyio.to_thread.run_sync(process.wait)
                raise UnavailableError(f"The server did not end within {_END_WITHIN:.0f} s.")
            await anyio.sleep(_POLL)
        self._process = None
        return process.returncode

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # Where a test measures coverage, the server's counts, too.
        kept |= {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
        return kept | {
            # The very package that runs this, wherever another one is installed.
            "PYTHONPATH": str(Path(loopagent.__file__).parents[1]),
            "HOME": str(self.home),
            "PORT": str(self._port),
            "DATABASE_URL": self.database_url,
            "WORKSPACE_ROOT": str(self.workspaces),
            "LOOP_AGENT_DATA_DIR": str(self.home / "data"),
            "LOOP_AGENT_MODEL_SOURCE": "scripted",
            "LOOP_AGENT_ISOLATION": self._isolation,
            "LOOP_AGENT_MAX_LIVE": str(self._max_live),
        }


async def _serves(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

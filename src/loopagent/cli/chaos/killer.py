"""The killer: strikes the server, CLI processes and connections when the plan says so."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio

from loopagent.cli.chaos.plan import Blow, BlowKind
from loopagent.cli.chaos.server import ServerUnderTest
from loopagent.cli.chaos.viewer import Viewer
from loopagent.cli.chaos.watch import Watch
from loopagent.sandbox import processes
from loopagent.sandbox.program import cli_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A blow that was struck. session: of the CLI process, None if all sessions were hit.

    ready: seconds from the kill to a server that serves again.
    """

    kind: BlowKind
    at: datetime
    session: str | None = None
    ready: float | None = None


class Killer:
    """Strikes one round's blows, one after the other. `problems`: exits that were not clean."""

    def __init__(self, server: ServerUnderTest, watches: Sequence[Watch]) -> None:
        self.strikes: list[Strike] = []
        self.problems: list[str] = []
        self._server = server
        self._watches = {watch.session_id: watch for watch in watches}

    @property
    def counts(self) -> Counter[str]:
        return Counter(strike.kind for strike in self.strikes)

    async def run(self, blows: Sequence[Blow], viewers: Sequence[Viewer]) -> None:
        """Strike all blows, each so long after the one before as it says."""
        for blow in blows:
            await anyio.sleep(blow.after)
            await self._strike(blow, viewers)

    async def _strike(self, blow: Blow, viewers: Sequence[Viewer]) -> None:
        match blow.kind:
            case "kill server" | "end server" | "kill at start":
                await self._restart(blow)
            case "kill CLI":
                await self._strike_cli(blow, signal.SIGKILL)
            case "end CLI":
                await self._strike_cli(blow, signal.SIGTERM)
            case "cut connections":
                self._cut(blow, viewers)

    async def _restart(self, blow: Blow) -> None:
        at, begun = datetime.now(UTC), time.monotonic()
        if blow.kind == "end server":
            code = await self._server.end()
            if code != 0:
                self.problems.append(f"the server ended with code {code} after SIGTERM")
        else:
            await self._server.kill()
        if blow.kind == "kill at start":
            self._server.start()
            await anyio.sleep(2.5 * blow.draw)
            at, begun = datetime.now(UTC), time.monotonic()
            await self._server.kill()
        self._server.start()
        await self._server.ready()
        ready = time.monotonic() - begun
        self.strikes.append(Strike(kind=blow.kind, at=at, ready=ready))

    async def _strike_cli(self, blow: Blow, number: signal.Signals) -> None:
        running = await anyio.to_thread.run_sync(self._cli_processes)
        if not running:
            return
        pid, session = running[int(blow.draw * len(running))]
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        self.strikes.append(Strike(kind=blow.kind, at=datetime.now(UTC), session=session))

    def _cut(self, blow: Blow, viewers: Sequence[Viewer]) -> None:
        """The connections of some viewers, of all where the draw is high."""
        share = 0.2 + blow.draw
        for place, viewer in enumerate(viewers):
            if (place * 0.618) % 1 < share:
                viewer.cut()
        self.strikes.append(Strike(kind=blow.kind, at=datetime.now(UTC)))

    def _cli_processes(self) -> list[tuple[int, str]]:
        """Those of sessions that are at work, if any is: there a kill can do harm."""
        found = [(pid, session) for pid, session in self.of_round() if is_cli(pid)]
        found.sort(key=lambda pair: pair[1])
        at_work = [pair for pair in found if self._watches[pair[1]].status == "running"]
        return at_work or found

    def of_round(self) -> list[tuple[int, str]]:
        """All processes of this round's sessions; it reads /proc, so call it in a thread."""
        return [(pid, str(sid)) for pid, sid in processes.marked() if sid in self._watches]


def is_cli(pid: int) -> bool:
    """Whether a process is the agent program itself, not one of its tools."""
    try:
        return Path(f"/proc/{pid}/exe").samefile(cli_path())
    except OSError:
        return False

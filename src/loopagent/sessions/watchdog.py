"""Watches what isolated sessions take of memory and disk, and ends what takes too much."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio

from loopagent.errors import AgentError
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.program import cli_path
from loopagent.sandbox.usage import folder_size, relieve
from loopagent.sessions.run import Run
from loopagent.workspaces.workspaces import SessionFolder, Workspaces

log = logging.getLogger(__name__)

_EVERY = 1.0
_DISK_EVERY = 10  # looks at the memory for each look at the disk


class Watchdog:
    """Looks at the sessions that `live` gives for as long as `run` is awaited."""

    def __init__(
        self, workspaces: Workspaces, limits: Limits, live: Callable[[], Sequence[Run]]
    ) -> None:
        self._workspaces = workspaces
        self._limits = limits
        self._live = live

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        count = 0
        while True:
            await anyio.sleep(_EVERY)
            count += 1
            for run in [run for run in self._live() if run.runner is not None]:
                try:
                    await self._look_at_memory(run)
                    if count % _DISK_EVERY == 0:
                        await self._look_at_disk(run)
                except Exception:  # whatever one session's folder holds, the others are watched
                    log.exception("%s can't be watched", run.session_id)

    async def _look_at_memory(self, run: Run) -> None:
        pid = run.runner.control.pid if run.runner is not None else None
        if pid is None:
            return
        limit = self._limits.memory
        ended = await anyio.to_thread.run_sync(relieve, pid, cli_path().name, limit)
        if ended:
            log.warning("%s took more than %d MiB: %d ended", run.session_id, limit >> 20, ended)

    async def _look_at_disk(self, run: Run) -> None:
        if run.runner is None or not run.runner.is_busy:
            return
        folder: SessionFolder = self._workspaces.folder(run.session_id)
        limit = self._limits.disk
        if await anyio.to_thread.run_sync(folder_size, folder.all, limit) <= limit:
            return
        if run.runner is not None:
            run.runner.fail(
                AgentError(
                    "disk_limit_error",
                    f"This session's folder holds more than {limit >> 20} MiB. Remove files, "
                    "or raise LOOP_AGENT_SESSION_DISK_MIB.",
                    "terminal",
                )
            )

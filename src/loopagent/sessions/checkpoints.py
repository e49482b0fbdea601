"""Verbs for checkpoints: list, compare, go back; and when they are taken.

One is taken in the background after every turn and every change by hand: nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import ConflictError, LoopError, NotFoundError, SessionArchivedError
from loopagent.eventlog.log import EventLog
from loopagent.sessions.service import Sessions
from loopagent.workspaces import checkpoints
from loopagent.workspaces.checkpoints import Checkpoint
from loopagent.workspaces.restoring import Restored
from loopagent.workspaces.shadow import Change
from loopagent.workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)

_AT_ONCE = 2
Taken: TypeAlias = list[Checkpoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between two checkpoints."""

    old: int
    new: int
    changes: list[Change]


class Keeper:
    """Takes checkpoints in the background, some at a time."""

    def __init__(self, workspaces: Workspaces) -> None:
        self.workspaces = workspaces
        self._tasks: TaskGroup | None = None
        self._limit = anyio.CapacityLimiter(_AT_ONCE)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Keeper]:
        """Serve until the block is left; what is being taken then is finished."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield self
            finally:
                self._tasks = None
                tasks.cancel_scope.cancel()

    def of(self, session_id: SessionId) -> checkpoints.Checkpoints:
        """The checkpoints of a session; raises NotFoundError if its folder is gone."""
        if not self.workspaces.exists(session_id):
            raise NotFoundError("This session's workspace folder is gone. Start a new session.")
        return checkpoints.Checkpoints(self.workspaces.folder(session_id))

    def rested(self, session_id: SessionId, seq: int, why: str = "turn") -> None:
        """The workspace has come to rest, with the log at `seq`: keep it soon."""
        if self._tasks is not None:
            self._tasks.start_soon(self._take, session_id, why, seq)

    async def take(self, session_id: SessionId, why: str, seq: int) -> None:
        """Keep the workspace now; raises what taking one raises."""
        kept = self.of(session_id)
        await anyio.to_thread.run_sync(kept.take, why, seq, limiter=self._limit)

    async def _take(self, session_id: SessionId, why: str, seq: int) -> None:
        try:
            await self.take(session_id, why, seq)
        except LoopError as error:
            log.warning("%s: no checkpoint was taken: %s", session_id, error.message)


class Checkpoints:
    """The verbs of checkpoints. All raise NotFoundError, and UnavailableError without Git."""

    def __init__(self, *, sessions: Sessions, event_log: EventLog, keeper: Keeper) -> None:
        self._sessions = sessions
        self._log = event_log
        self._keeper = keeper

    async def look(self, who: Principal, session_id: SessionId) -> Taken:
        """All of a session, oldest first."""
        return await anyio.to_thread.run_sync((await self._of(who, session_id)).look)

    async def compare(
        self, who: Principal, session_id: SessionId, old: int | None, new: int | None
    ) -> Difference:
        """What differs. new: the newest if none is named; old: the start if none is named."""
        kept = await self._of(who, session_id)
        old, new = old or 0, await self._number(kept, new)
        changes = await anyio.to_thread.run_sync(kept.changes, old, new)
        return Difference(old=old, new=new, changes=changes)

    async def patch(
        self,
        who: Principal,
        session_id: SessionId,
        old: int | None,
        new: int | None,
        path: str | None = None,
        *,
        binary: bool = False,
    ) -> str:
        """The same as a patch, of one file or of all. binary: whole, as Git can apply it."""
        kept = await self._of(who, session_id)
        number = await self._number(kept, new)
        return await anyio.to_thread.run_sync(
            lambda: kept.patch(old or 0, number, path, binary=binary)
        )

    async def rewind(self, who: Principal, session_id: SessionId, number: int) -> Restored:
        """Make the files what they were; what they are now is kept as a checkpoint first.

        Raises ConflictError while a turn runs, SessionArchivedError.
        """
        session = await self._sessions.get(who, session_id)
        if session.archived_at is not None:
            raise SessionArchivedError("This session is archived, so its files stay as they are.")
        if session.status != "idle":
            raise ConflictError("The session is running. Stop its turn first, then rewind.")
        kept = await self._of(who, session_id)
        restored = await anyio.to_thread.run_sync(kept.rewind, number, session.seq)
        if restored.written or restored.deleted:
            told = (
                f"Rewound the files to checkpoint {number}: {len(restored.written)} written, "
                f"{len(restored.deleted)} deleted"
            )
            event = e.WorkspaceChanged(summary=told, loop={"by": who.name, "checkpoint": number})
            await self._log.append(session_id, [event])
        return restored

    async def _of(self, who: Principal, session_id: SessionId) -> checkpoints.Checkpoints:
        await self._sessions.get(who, session_id)
        return self._keeper.of(session_id)

    async def _number(self, kept: checkpoints.Checkpoints, number: int | None) -> int:
        if number is not None:
            return number
        found = await anyio.to_thread.run_sync(kept.look)
        return found[-1].number if found else 0

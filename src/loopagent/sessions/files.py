"""Verbs for the files of a session: see, take, put, rename and delete them.

Every change is an event of the log, of which the agent is told with the next message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import anyio

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import NotFoundError, SessionArchivedError
from loopagent.eventlog.log import EventLog
from loopagent.sessions.checkpoints import Keeper
from loopagent.sessions.service import Sessions
from loopagent.workspaces import files
from loopagent.workspaces.files import Entry, Listing, OpenFile, Size
from loopagent.workspaces.zipped import zipped

T = TypeVar("T")


class Files:
    """The verbs of files. Paths are relative to the workspace; all raise NotFoundError and
    UnsafePathError, those that change something SessionArchivedError and ConflictError."""

    def __init__(self, *, sessions: Sessions, event_log: EventLog, keeper: Keeper) -> None:
        self._sessions = sessions
        self._workspaces = keeper.workspaces
        self._log = event_log
        self._keeper = keeper

    async def look(self, who: Principal, session_id: SessionId, path: str = "") -> Listing:
        """What is in a folder."""
        return await self._read(who, session_id, lambda root: files.look(root, path))

    async def entry(self, who: Principal, session_id: SessionId, path: str) -> Entry:
        """A file or folder."""
        return await self._read(who, session_id, lambda root: files.entry_at(root, path))

    async def open(self, who: Principal, session_id: SessionId, path: str) -> OpenFile:
        """A file, to be read and closed."""
        return await self._read(who, session_id, lambda root: files.open_file(root, path))

    async def measure(self, who: Principal, session_id: SessionId) -> Size:
        """How much the workspace holds."""
        return await self._read(who, session_id, files.measure)

    async def zip(self, who: Principal, session_id: SessionId, path: str = "") -> Iterator[bytes]:
        """A folder as a zip, in pieces that are made as they are taken; taking one blocks."""
        root = await self._root(who, session_id)
        await anyio.to_thread.run_sync(files.look, root, path)
        return zipped(root, path)

    async def put(
        self,
        who: Principal,
        session_id: SessionId,
        path: str,
        content: bytes,
        *,
        replace: bool = False,
    ) -> Entry:
        """Write a file, whole."""

        def write(root: Path) -> Entry:
            files.put(root, path, content, replace=replace)
            return files.entry_at(root, path)

        return await self._change(who, session_id, write, f"Uploaded {path}")

    async def make_folder(self, who: Principal, session_id: SessionId, path: str) -> Entry:
        """Make an empty folder."""

        def make(root: Path) -> Entry:
            files.make_folder(root, path)
            return files.entry_at(root, path)

        return await self._change(who, session_id, make, f"Created the folder {path}")

    async def rename(self, who: Principal, session_id: SessionId, path: str, to: str) -> Entry:
        """Give a file or folder another name or place."""

        def move(root: Path) -> Entry:
            files.rename(root, path, to)
            return files.entry_at(root, to)

        return await self._change(who, session_id, move, f"Renamed {path} to {to}")

    async def delete(self, who: Principal, session_id: SessionId, path: str) -> None:
        """Erase a file, or a folder with all in it."""
        await self._change(who, session_id, lambda r: files.delete(r, path), f"Deleted {path}")

    async def _root(self, who: Principal, session_id: SessionId) -> Path:
        await self._sessions.get(who, session_id)
        if not self._workspaces.exists(session_id):
            raise NotFoundError("This session's workspace folder is gone. Start a new session.")
        return self._workspaces.folder(session_id).workspace

    async def _read(self, who: Principal, session_id: SessionId, take: Callable[[Path], T]) -> T:
        return await anyio.to_thread.run_sync(take, await self._root(who, session_id))

    async def _change(
        self, who: Principal, session_id: SessionId, make: Callable[[Path], T], summary: str
    ) -> T:
        session = await self._sessions.get(who, session_id)
        if session.archived_at is not None:
            raise SessionArchivedError("This session is archived, so its files stay as they are.")
        made = await self._read(who, session_id, make)
        await self._log.append(
            session_id, [e.WorkspaceChanged(summary=summary, loop={"by": who.name})]
        )
        self._keeper.rested(session_id, session.seq + 1, "hand")
        return made

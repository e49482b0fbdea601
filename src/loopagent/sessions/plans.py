"""From a session to the plan of one agent process: folder, grant, launcher, permissions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import anyio

from loopagent.agent.ports import RunPlan
from loopagent.config import Settings
from loopagent.credentials.grants import Grants
from loopagent.credentials.proxy import CredentialProxy
from loopagent.domain.ids import SessionId
from loopagent.domain.permissions import Grounds, named_path
from loopagent.domain.session import Session
from loopagent.errors import AgentError, WorkspaceGoneError
from loopagent.sandbox.launcher import PROJECT, Launcher, LaunchSpec
from loopagent.sandbox.limits import Limits
from loopagent.sessions.records import Records
from loopagent.sessions.recovery import CutTurn
from loopagent.sessions.run import Run
from loopagent.sessions.watchdog import Watchdog
from loopagent.storage import sessions
from loopagent.storage.database import Database
from loopagent.workspaces.paths import resolve_inside
from loopagent.workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)


class Plans:
    """Prepares and cleans up what a process needs.

    proxy: it has been started. settled: waits a moment until what a session has spent is written.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        workspaces: Workspaces,
        grants: Grants,
        launcher: Launcher,
        proxy: CredentialProxy,
        settled: Callable[[SessionId], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._database = database
        self._workspaces = workspaces
        self.records = Records(database, workspaces)
        self._grants = grants
        self._launcher = launcher
        self._proxy = proxy
        self.settled = settled

    @property
    def level(self) -> str:
        return self._launcher.level

    def watchdog(self, live: Callable[[], Sequence[Run]]) -> Watchdog:
        """What keeps sessions within their memory and disk space."""
        return Watchdog(self._workspaces, Limits.of(self._settings), live)

    async def make(self, session_id: SessionId, cut: CutTurn | None) -> RunPlan:
        """The plan for a new process; raises WorkspaceGoneError."""
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        folder = self._workspaces.folder(session_id)
        if not await anyio.Path(folder.workspace).is_dir():
            raise WorkspaceGoneError
        beginning = await self.records.prepare(session, cut)
        session = await self._at_this_level(session)
        toolset = session.agent.toolset()
        socket = await self._socket(session_id)
        tools = toolset.enabled() if toolset is not None else ()
        spec = LaunchSpec(
            session_id=session_id,
            folder=folder,
            base_url=self._proxy.url,
            token=await self._grants.issue(session_id, tools),
            socket=socket,
            resume_interrupted=cut is not None,
        )
        cli = await anyio.to_thread.run_sync(self._launcher.prepare, spec)
        inside = self._launcher.inside(folder)
        saved = inside.config.resolve() / "projects" / PROJECT / session.sdk_session_id
        return RunPlan(
            session=session,
            cwd=folder.workspace,
            cli=cli,
            resume=beginning.resume,
            preface=beginning.preface,
            grounds=Grounds(
                toolset=toolset,
                workspace=PurePosixPath(inside.workspace.resolve()),
                # The CLI saves long output there and tells the model to read it.
                readable=(PurePosixPath(saved),),
                isolated=self.level != "none",
            ),
            turn_seconds=self._settings.turn_minutes * 60,
            silence_seconds=self._settings.silence_seconds,
            recovery=beginning.recovery,
            max_turns=session.agent.max_turns or self._settings.max_turns,
        )

    def resolver(
        self, session_id: SessionId
    ) -> Callable[[str, Mapping[str, Any]], PurePosixPath | None]:
        """How this session's tools name paths: the link-free path that an input means."""
        folder = self._workspaces.folder(session_id)
        cwd, inside = folder.workspace, self._launcher.inside(folder).workspace
        seen_as = inside if inside != cwd else None

        def resolve(tool: str, tool_input: Mapping[str, Any]) -> PurePosixPath | None:
            path = named_path(tool, tool_input)
            return resolve_inside(cwd, path, cwd, seen_as) if path is not None else None

        return resolve

    async def _at_this_level(self, session: Session) -> Session:
        """The session as it runs from now on: at the level in force, whatever it had before."""
        if session.isolation == self.level:
            return session
        log.info("%s ran at level %s, now %s", session.id, session.isolation, self.level)
        await self._database.write(
            lambda conn: sessions.set_isolation(conn, session.id, self.level)
        )
        return replace(session, isolation=self.level)

    async def _socket(self, session_id: SessionId) -> Path | None:
        """Where the proxy now listens for the session, if its programs have no network."""
        if not self._launcher.by_socket:
            return None
        path = self._workspaces.folder(session_id).workspace.with_name("api.sock")
        try:
            await self._proxy.sockets.open(session_id, path)
        except OSError as error:
            raise AgentError(
                "launch_failed",
                f"The socket {path} can't be made: {error.strerror}. "
                "Check the folder's rights and the free space.",
                "terminal",
            ) from error
        return path

    async def clean_up(self, session_id: SessionId) -> None:
        """Take back the grant and end what is left of a session's processes."""
        try:
            await self._grants.revoke(session_id)
        finally:
            await self._proxy.sockets.close(session_id)
            await anyio.to_thread.run_sync(self._launcher.sweep, session_id)
            self._launcher.forget(session_id)

    async def clean_up_all(self, session_ids: Iterable[SessionId]) -> None:
        """The same for many sessions, at the server's start."""
        for session_id in session_ids:
            await anyio.to_thread.run_sync(self._launcher.sweep, session_id)

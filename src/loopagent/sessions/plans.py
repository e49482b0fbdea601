"""From a session to the plan of one agent process: folder, grant, launcher, permissions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import anyio

from loopagent.agent.ports import RunPlan
from loopagent.config import Settings
from loopagent.credentials.gateway import Gateway
from loopagent.domain.ids import SessionId
from loopagent.domain.permissions import Grounds, named_path
from loopagent.domain.session import Session
from loopagent.errors import AgentError, WorkspaceGoneError
from loopagent.sandbox import processes
from loopagent.sandbox.launcher import PROJECT, Launcher, LaunchSpec
from loopagent.sandbox.limits import Limits
from loopagent.sessions.records import Records
from loopagent.sessions.recovery import CutTurn
from loopagent.sessions.run import Run
from loopagent.sessions.watchdog import Watchdog
from loopagent.storage import sessions
from loopagent.storage.database import Connection, Database
from loopagent.workspaces.paths import resolve_inside
from loopagent.workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)


class Plans:
    """Prepares and cleans up what a process needs."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        workspaces: Workspaces,
        gateway: Gateway,
        launcher: Launcher,
    ) -> None:
        self._settings = settings
        self._database = database
        self._workspaces = workspaces
        self.records = Records(database, workspaces)
        self._gateway = gateway
        self._launcher = launcher
        # Waits a moment until what a session has spent is written.
        self.settled = gateway.ledger.settled

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
        tools = toolset.enabled() if toolset is not None else ()
        spec = LaunchSpec(
            session_id=session_id,
            folder=folder,
            base_url=self._gateway.url,
            token=await self._gateway.grants.issue(session_id, tools),
            socket=await self._socket(session_id),
            # Without this turn's prompt in the record, the CLI would run an older turn again.
            resume_interrupted=beginning.recovery is not None and beginning.recovery.is_recorded,
        )
        cli = await anyio.to_thread.run_sync(self._launcher.prepare, spec)
        inside = self._launcher.inside(folder)
        projects = inside.config.resolve() / "projects" / PROJECT
        return RunPlan(
            session=session,
            cwd=folder.workspace,
            cli=cli,
            resume=beginning.resume,
            preface=beginning.preface,
            transcript=self.records.folder(session_id) / f"{session.sdk_session_id}.jsonl",
            grounds=Grounds(
                toolset=toolset,
                workspace=PurePosixPath(inside.workspace.resolve()),
                # The CLI saves long output there and tells the model to read it.
                readable=(PurePosixPath(projects / session.sdk_session_id),),
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

        def note(conn: Connection) -> Session:
            changed = replace(sessions.get(conn, session.id, lock=True), isolation=self.level)
            sessions.save(conn, changed)
            return changed

        return await self._database.write(note)

    async def _socket(self, session_id: SessionId) -> Path | None:
        """Where the proxy now listens for the session, if its programs have no network."""
        if not self._launcher.by_socket:
            return None
        path = self._workspaces.folder(session_id).workspace.with_name("api.sock")
        try:
            await self._gateway.sockets.open(session_id, path)
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
            await self._gateway.grants.revoke(session_id)
        finally:
            await self._gateway.sockets.close(session_id)
            await anyio.to_thread.run_sync(self._launcher.sweep, session_id)
            self._launcher.forget(session_id)

    async def clean_up_all(self, session_ids: Iterable[SessionId]) -> None:
        """End what a server before this one has left of its sessions, these among them."""
        marked = await anyio.to_thread.run_sync(lambda: {of for _, of in processes.marked()})
        ours = await self._database.read(
            lambda conn: [of for of in marked if sessions.exists(conn, of)]
        )
        for session_id in {*session_ids, *ours}:
            await anyio.to_thread.run_sync(self._launcher.sweep, session_id)

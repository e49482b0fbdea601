"""From a session to the plan of one agent process: folder, grant, launcher, permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import anyio

from loopagent.agent.ports import RunPlan
from loopagent.config import Settings
from loopagent.credentials.gateway import Gateway
from loopagent.domain.ids import SessionId
from loopagent.domain.permissions import Grounds, named_path
from loopagent.errors import WorkspaceGoneError
from loopagent.sandbox import processes
from loopagent.sandbox.launcher import Launcher, LaunchSpec
from loopagent.sessions.records import Records
from loopagent.sessions.recovery import CutTurn
from loopagent.storage import sessions
from loopagent.storage.database import Database
from loopagent.workspaces.paths import resolve_inside
from loopagent.workspaces.workspaces import Workspaces


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

    async def make(self, session_id: SessionId, cut: CutTurn | None) -> RunPlan:
        """The plan for a new process; raises WorkspaceGoneError."""
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        folder = self._workspaces.folder(session_id)
        if not await anyio.Path(folder.workspace).is_dir():
            raise WorkspaceGoneError
        beginning = await self.records.prepare(session, cut)
        saved = self.records.folder(session_id).resolve() / session.sdk_session_id
        token = await self._gateway.grants.issue(session_id)
        spec = LaunchSpec(
            session_id=session_id,
            folder=folder,
            base_url=self._gateway.url,
            token=token,
            # Without this turn's prompt in the record, the CLI would run an older turn again.
            resume_interrupted=beginning.recovery is not None and beginning.recovery.is_recorded,
        )
        cli = await anyio.to_thread.run_sync(self._launcher.prepare, spec)
        return RunPlan(
            session=session,
            cwd=folder.workspace,
            cli=cli,
            resume=beginning.resume,
            preface=beginning.preface,
            transcript=saved.with_suffix(".jsonl"),
            grounds=Grounds(
                toolset=session.agent.toolset(),
                workspace=PurePosixPath(folder.workspace.resolve()),
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
        cwd = self._workspaces.folder(session_id).workspace

        def resolve(tool: str, tool_input: Mapping[str, Any]) -> PurePosixPath | None:
            path = named_path(tool, tool_input)
            return resolve_inside(cwd, path, cwd) if path is not None else None

        return resolve

    async def clean_up(self, session_id: SessionId) -> None:
        """Take back the grant and end what is left of a session's processes."""
        try:
            await self._gateway.grants.revoke(session_id)
        finally:
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

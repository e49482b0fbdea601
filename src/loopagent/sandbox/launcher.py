"""Launchers: the small program between the SDK and the command line program.

A launcher is a file per session, given to the SDK as `cli_path`. It clears the environment, hands
over the session's grant, and ties the program's life to the server's. The levels of isolation
differ in nothing but their launcher.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loopagent.domain.ids import SessionId, is_session_id
from loopagent.errors import AgentError, SettingsError
from loopagent.sandbox import processes
from loopagent.sandbox.program import cli_path, lifeline, system_program

PROJECT = "workspace"
"""Transcripts are at `<config>/projects/<PROJECT>/<sdk session id>.jsonl`, whatever the cwd."""

_TOKEN_DESCRIPTOR = 9
# Not a possible line of a token.
_END_OF_TOKEN = "END.OF.TOKEN"  # noqa: S105  a delimiter
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,512}\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# Set by the SDK when it starts the program, or harmless and wanted by tools.
_PASSED_ON = (
    "CLAUDE_AGENT_SDK_CLIENT_APP",
    "CLAUDE_AGENT_SDK_VERSION",
    "CLAUDE_CODE_ENABLE_SDK_FILE_CHECKPOINTING",
    "CLAUDE_CODE_SDK_READS_SESSION_STATE",
    "TRACEPARENT",
    "TRACESTATE",
    "TZ",
)

_SETTINGS: Mapping[str, str] = {
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
    "CLAUDE_CODE_PROJECT_DIR_NAME": PROJECT,
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_MAX_RETRIES": "5",
    # Without these a connection that falls silent is noticed after five minutes.
    "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
    "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "90000",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
    "CLAUDE_CODE_DISABLE_WORKFLOWS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "USER": "agent",
    "LOGNAME": "agent",
}


class Folder(Protocol):
    """The four places of a session."""

    @property
    def workspace(self) -> Path: ...
    @property
    def config(self) -> Path: ...
    @property
    def home(self) -> Path: ...
    @property
    def tmp(self) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What one session's launcher must know.

    extra_env: further variables; the SDK's `env` option does not get through a launcher.
    place: folder of the launcher file; by default the one that holds the workspace.
    """

    session_id: SessionId
    folder: Folder
    base_url: str
    token: str = field(repr=False)
    resume_interrupted: bool = False
    extra_env: Mapping[str, str] = field(default_factory=dict)
    place: Path | None = None


class Launcher(Protocol):
    """One level of isolation."""

    @property
    def level(self) -> str: ...

    def prepare(self, spec: LaunchSpec) -> Path:
        """Write the session's launcher file and give its path; raises AgentError."""
        ...

    def sweep(self, session_id: SessionId) -> int:
        """End what is left of a session and give the number of processes; it blocks."""
        ...

    def forget(self, session_id: SessionId) -> None:
        """Remove the session's launcher file."""
        ...


class PlainLauncher:
    """Level "none": a cleared environment and a tied life, but the rights of the server."""

    level = "none"

    def __init__(self) -> None:
        self._files: dict[SessionId, Path] = {}

    def prepare(self, spec: LaunchSpec) -> Path:
        """Write the session's launcher file and give its path; raises AgentError."""
        text = _script(spec)
        path = (spec.place or spec.folder.workspace.parent) / f"launch-{spec.session_id}"
        try:
            _write(path, text)
        except OSError as error:
            raise AgentError(
                "launch_failed",
                f"The launcher {path} can't be written: {error.strerror}. "
                "Check the folder's rights and the free space.",
                "terminal",
            ) from error
        self._files[spec.session_id] = path
        return path

    def sweep(self, session_id: SessionId) -> int:
        """End what is left of a session and give the number of processes; it blocks."""
        return processes.sweep(session_id)

    def forget(self, session_id: SessionId) -> None:
        """Remove the session's launcher file."""
        path = self._files.pop(session_id, None)
        if path is not None:
            path.unlink(missing_ok=True)


def choose(demanded: str) -> Launcher:
    """The launcher of a level; raises SettingsError for a level that there isn't."""
    if demanded in {"auto", "none"}:
        return PlainLauncher()
    raise SettingsError(
        f"The isolation level {demanded!r} is not in this version. "
        "Set LOOP_AGENT_ISOLATION to auto or none."
    )


def _script(spec: LaunchSpec) -> str:
    if not is_session_id(spec.session_id) or not _TOKEN.match(spec.token):
        raise AgentError("launch_failed", "The session's id or token is malformed.", "terminal")
    variables = " \\\n  ".join(
        f"{name}={shlex.quote(value)}" for name, value in _environment(spec).items()
    )
    passed_on = " \\\n  ".join(f'${{{name}:+{name}="${name}"}}' for name in _PASSED_ON)
    command = shlex.join([*lifeline(), str(cli_path())])
    return (
        "#!/bin/sh\n"
        f"exec {shlex.quote(system_program('env') or 'env')} -i \\\n"
        '  PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}" \\\n'
        f"  {variables} \\\n"
        f"  {passed_on} \\\n"
        f"  {command} \"$@\" {_TOKEN_DESCRIPTOR}<<'{_END_OF_TOKEN}'\n"
        f"{spec.token}\n{_END_OF_TOKEN}\n"
    )


def _environment(spec: LaunchSpec) -> dict[str, str]:
    folder = spec.folder
    environment = {
        "HOME": str(folder.home),
        "TMPDIR": str(folder.tmp),
        "CLAUDE_CONFIG_DIR": str(folder.config),
        "CLAUDE_CODE_TMPDIR": str(folder.tmp),
        "SHELL": system_program("bash") or "/bin/sh",
        **_SETTINGS,
        **spec.extra_env,
        "ANTHROPIC_BASE_URL": spec.base_url,
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": str(_TOKEN_DESCRIPTOR),
        processes.MARKER: spec.session_id,
    }
    if spec.resume_interrupted:
        environment["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] = "1"
    for name, value in environment.items():
        if not _NAME.match(name) or "\0" in value:
            raise AgentError(
                "launch_failed", f"{name!r} can't be an environment variable.", "terminal"
            )
    return environment


def _write(path: Path, text: str) -> None:
    """Write an executable file that nobody ever sees half written."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor
            file.write(text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise

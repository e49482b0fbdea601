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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loopagent.domain.ids import SessionId, is_session_id
from loopagent.errors import AgentError
from loopagent.sandbox import owner, processes
from loopagent.sandbox.program import cli_path, lifeline, system_program

PROJECT = "workspace"
"""Transcripts are at `<config>/projects/<PROJECT>/<sdk session id>.jsonl`, whatever the cwd."""

_TOKEN_DESCRIPTOR = 9
# Not a possible line of a token, nor of the other texts that are fed in.
_END = "END.OF.TEXT."
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

# What of /etc programs need, and nothing that names people or secrets.
ETC = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "debian_version",
    "fonts", "inputrc", "java", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic",
    "mime.types", "nsswitch.conf", "openssl", "os-release", "perl", "pki", "profile", "profile.d",
    "protocols", "python3", "services", "ssl", "terminfo", "timezone",
)  # fmt: skip
# In a launcher: when memory gets short, sessions go first.
OOM = "echo 900 2>/dev/null >/proc/self/oom_score_adj || :\n"


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
class Places:
    """The four places of a session, given one by one."""

    workspace: Path
    config: Path
    home: Path
    tmp: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """What one session's launcher must know.

    extra_env: further variables; the SDK's `env` option does not get through a launcher.
    place: folder of the launcher file; by default the one that holds the workspace.
    socket: where the proxy listens for this session alone; for levels without a network.
    program: what is started; by default the command line program of the SDK.
    """

    session_id: SessionId
    folder: Folder
    base_url: str
    token: str = field(repr=False)
    resume_interrupted: bool = False
    extra_env: Mapping[str, str] = field(default_factory=dict)
    place: Path | None = None
    socket: Path | None = None
    program: Path | None = None


class Launcher(Protocol):
    """One level of isolation. by_socket: its programs have no network, and need a socket."""

    @property
    def level(self) -> str: ...

    @property
    def by_socket(self) -> bool: ...

    @property
    def excused(self) -> frozenset[str]: ...

    def inside(self, folder: Folder) -> Folder:
        """The session's places as its own programs see them."""
        ...

    def prepare(self, spec: LaunchSpec) -> Path:
        """Write the session's launcher file and give its path; raises AgentError."""
        ...

    def sweep(self, session_id: SessionId) -> int:
        """End what is left of a session and give the number of processes; it blocks."""
        ...

    def forget(self, session_id: SessionId) -> None:
        """Remove the session's launcher file."""
        ...


class FileLauncher:
    """What all levels share: the file, written and removed, and the sweep.

    A level says what the file starts, in `_text`; it may write more files through `_keep`.
    """

    level = ""
    by_socket = False
    # What may get through in a trial without harm to the level's promises.
    excused: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._files: dict[SessionId, set[Path]] = {}

    def inside(self, folder: Folder) -> Folder:
        """The session's places as its own programs see them."""
        return folder

    def prepare(self, spec: LaunchSpec) -> Path:
        """Write the session's launcher file and give its path; raises AgentError."""
        if not is_session_id(spec.session_id) or not _TOKEN.match(spec.token):
            raise AgentError("launch_failed", "The session's id or token is malformed.", "terminal")
        try:
            return self._keep(spec, "", self._text(spec).encode())
        except OSError as error:
            raise AgentError(
                "launch_failed",
                f"The launcher of {spec.session_id} can't be made: {error.strerror}: "
                f"{error.filename}. Check the folder's rights and the free space.",
                "terminal",
            ) from error

    def sweep(self, session_id: SessionId) -> int:
        """End what is left of a session and give the number of processes; it blocks."""
        return processes.sweep(session_id)

    def forget(self, session_id: SessionId) -> None:
        """Remove the session's launcher file."""
        for path in self._files.pop(session_id, ()):
            path.unlink(missing_ok=True)

    def _text(self, spec: LaunchSpec) -> str:
        raise NotImplementedError

    def _keep(self, spec: LaunchSpec, suffix: str, content: bytes) -> Path:
        """Write one of the launcher's files."""
        place = spec.place or spec.folder.workspace.parent
        path = place / f"launch-{spec.session_id}{suffix}"
        _write(path, content)
        self._files.setdefault(spec.session_id, set()).add(path)
        return path


class PlainLauncher(FileLauncher):
    """Level "none": a cleared environment and a tied life, but the rights of the server."""

    level = "none"

    def _text(self, spec: LaunchSpec) -> str:
        folder = spec.folder
        if os.geteuid() == 0 and folder.tmp.lstat().st_uid != 0:
            # The session had a user of its own before, at another level.
            owner.own((folder.workspace, folder.config, folder.home, folder.tmp), 0)
        command = [*lifeline(), str(spec.program or cli_path())]
        return script(spec, environment(spec, spec.folder), command)


def script(
    spec: LaunchSpec,
    variables: Mapping[str, str],
    command: Sequence[str],
    *,
    path: str = "${PATH:-/usr/local/bin:/usr/bin:/bin}",
    feeds: Mapping[int, str | Path] | None = None,
    preface: str = "",
) -> str:
    """The text of a launcher: nothing but `variables` and the command, with the token to read.

    feeds: descriptors that the command reads, each from a text or from a file.
    """
    assigned = " \\\n  ".join(f"{k}={shlex.quote(v)}" for k, v in variables.items())
    passed_on = " \\\n  ".join(f'${{{name}:+{name}="${name}"}}' for name in _PASSED_ON)
    given: dict[int, str | Path] = {**(feeds or {}), _TOKEN_DESCRIPTOR: f"{spec.token}\n"}
    files = "".join(f" {n}<{shlex.quote(str(v))}" for n, v in given.items() if isinstance(v, Path))
    texts = [(n, v) for n, v in given.items() if isinstance(v, str)]
    ends = "".join(f" {number}<<'{_END}{number}'" for number, _ in texts)
    bodies = "".join(f"{text}{_END}{number}\n" for number, text in texts)
    return (
        f"#!/bin/sh\n{preface}"
        f"exec {shlex.quote(system_program('env') or 'env')} -i \\\n"
        f'  PATH="{path}" \\\n'
        f"  {assigned} \\\n"
        f"  {passed_on} \\\n"
        f'  {shlex.join(command)} "$@"{files}{ends}\n{bodies}'
    )


def environment(spec: LaunchSpec, inside: Folder) -> dict[str, str]:
    """The variables of a session's programs; raises AgentError for one that can't be."""
    variables = {
        "HOME": str(inside.home),
        "TMPDIR": str(inside.tmp),
        "CLAUDE_CONFIG_DIR": str(inside.config),
        "CLAUDE_CODE_TMPDIR": str(inside.tmp),
        "SHELL": system_program("bash") or "/bin/sh",
        **_SETTINGS,
        **spec.extra_env,
        "ANTHROPIC_BASE_URL": spec.base_url,
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": str(_TOKEN_DESCRIPTOR),
        processes.MARKER: spec.session_id,
    }
    if spec.resume_interrupted:
        variables["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] = "1"
    for name, value in variables.items():
        if not _NAME.match(name) or "\0" in value:
            raise AgentError(
                "launch_failed", f"{name!r} can't be an environment variable.", "terminal"
            )
    return variables


def _write(path: Path, content: bytes) -> None:
    """Write an executable file that nobody ever sees half written."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor
            file.write(content)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise

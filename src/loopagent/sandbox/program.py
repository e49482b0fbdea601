"""The programs that a launcher starts: where they are and which version.

It owns the search only. The SDK isn't imported for it: that would cost most of a second.
"""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from loopagent.errors import AgentError

_SYSTEM_PATH = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin"
_PROBE_SECONDS = 5.0


@functools.cache
def cli_path() -> Path:
    """The command line program that comes with the SDK; raises AgentError if there is none."""
    spec = importlib.util.find_spec("claude_agent_sdk")
    for folder in (spec and spec.submodule_search_locations) or ():
        name = "claude.exe" if sys.platform == "win32" else "claude"
        path = Path(folder) / "_bundled" / name
        if path.is_file():
            return path
    raise AgentError(
        "cli_not_found",
        "The Claude command line program is missing from the package claude-agent-sdk. "
        "Install the requirements again with `make install`.",
        "terminal",
    )


def cli_version() -> str:
    """The program's version as recorded beside it, or "unknown"; raises AgentError as above."""
    try:
        text = cli_path().with_name("claude.version").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    return text.split()[0] if text.strip() else "unknown"


def system_program(name: str) -> str | None:
    """The absolute path of a program of the system, whatever PATH says."""
    return shutil.which(name, path=_SYSTEM_PATH)


@functools.cache
def lifeline() -> tuple[str, ...]:
    """The command in front of a program that ties its life to ours; empty where there is none.

    The parent-death signal ends the program if this server is killed. A session of its own
    keeps it away from the server's terminal: no Ctrl-C reaches it, and it can't type there.
    """
    found: tuple[str, ...] = ()
    for name, *arguments in (("setpriv", "--pdeathsig", "TERM"), ("setsid",)):
        program = system_program(name)
        if program is not None and _works([program, *arguments]):
            found = (*found, program, *arguments)
    return found


def _works(prefix: list[str]) -> bool:
    true = system_program("true") or "true"
    try:
        done = subprocess.run(
            [*prefix, true], capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0

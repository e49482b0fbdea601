"""A level's trial: a few attacks through its real launcher, with a shell in the agent's place.

That a program is installed says nothing about what it can do here: kernels, containers and
distributions forbid one thing or another. Only a level that held is used.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loopagent.domain.ids import new_session_id
from loopagent.errors import LoopError
from loopagent.sandbox.launcher import Launcher, LaunchSpec, Places

_WITHIN = 10.0
_TOKEN = "lag_trial"  # noqa: S105  good for nothing
_CANARY = "LOOP_TRIAL_CANARY"

# Each line prints the name of what got through, or nothing. $1 a file of the server, $2 its port,
# $3 its process, $4 the session's workspace, $5 a shell that knows /dev/tcp.
_ATTACKS = r"""
through() { echo "through $1"; }
true >"$4/written" || through "the workspace can't be written to"
read -r token <&9; [ "$token" = lag_trial ] || through "the token does not arrive"
cat "$1" >/dev/null 2>&1 && through "a file of the server can be read"
true 2>/dev/null >"$1.new" && through "a folder of the server can be written to"
true 2>/dev/null >/usr/lib/loop-trial && through "the system can be written to"
grep -q "CapEff:.*[1-9a-f]" /proc/self/status && through "rights of root are left"
grep -q "NoNewPrivs:.1" /proc/self/status || through "new rights can be had"
grep -q "Seccomp:.2" /proc/self/status || through "system calls are not filtered"
[ -n "$LOOP_TRIAL_CANARY" ] && through "a variable of the server is there"
"$5" -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$2" 2>/dev/null && through "a port of this machine is open"
unshare -U true 2>/dev/null && through "namespaces can be made"
kill -0 "$3" 2>/dev/null && through "the server can be sent signals"
true 2>/dev/null >>/proc/sys/kernel/core_pattern && through "the kernel's settings can be written"
cat "/proc/$3/environ" >/dev/null 2>&1 && through "the server's variables can be read"
cat "/proc/$$/environ" >/dev/null 2>&1 && through "the agent program can be looked into"
echo end
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one: no failures, or what got through or did not work."""

    level: str
    failures: tuple[str, ...]
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        return not self.failures


def try_out(launcher: Launcher, root: Path) -> Trial:
    """Run the attacks in a folder of their own below `root`, the sessions' root. It blocks."""
    began = time.perf_counter()
    try:
        with _folder(root) as place, _listening() as port:
            said = _run(launcher, place, port)
    except LoopError as error:
        return Trial(launcher.level, (error.message,))
    except OSError as error:
        return Trial(launcher.level, (f"{error.strerror}: {error.filename}",))
    except subprocess.TimeoutExpired:
        return Trial(launcher.level, (f"no answer within {_WITHIN:.0f} s",))
    failures = tuple(name for name in said if name not in launcher.excused)
    return Trial(launcher.level, failures, time.perf_counter() - began)


def _run(launcher: Launcher, place: Path, port: int) -> tuple[str, ...]:
    session_id = new_session_id()
    folder = Places(**{name: place / name for name in ("workspace", "config", "home", "tmp")})
    canary = place / "canary"
    canary.write_text("secret")
    spec = LaunchSpec(
        session_id=session_id,
        folder=folder,
        base_url="http://127.0.0.1:1",
        token=_TOKEN,
        socket=_socket(place) if launcher.by_socket else None,
        program=Path("/bin/sh"),
    )
    workspace = str(launcher.inside(folder).workspace)
    shell = shutil.which("bash") or "false"
    told = (str(canary), str(port), str(os.getpid()), workspace, shell)
    try:
        done = subprocess.run(
            [launcher.prepare(spec), "-c", _ATTACKS, "sh", *told],
            env={"PATH": os.environ.get("PATH", ""), _CANARY: "secret"},
            cwd=folder.workspace,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WITHIN,
            text=True,
            errors="replace",
            check=False,
        )
    finally:
        launcher.forget(session_id)
    lines = done.stdout.splitlines()
    if "end" not in lines:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        return (said[-1],)
    return tuple(line.removeprefix("through ") for line in lines if line != "end")


@contextmanager
def _folder(root: Path) -> Iterator[Path]:
    # Should the server be killed, the name lets the workspaces' own tidying find it.
    place = root / f".new-trial-{secrets.token_hex(6)}"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.mkdir(mode=0o700)
    try:
        for name in ("workspace", "config", "home", "tmp"):
            (place / name).mkdir(mode=0o700)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _socket(place: Path) -> Path:
    """A file in the API socket's place; nobody connects to it."""
    path = place / "api.sock"
    with suppress(FileExistsError):
        path.touch()
    return path

"""The processes of a session, found by the marker that every one of them inherits.

A shell that moved to another process group is still found. Where there is no /proc, nothing is
found: there only the launcher's own ties end a session's processes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Set
from pathlib import Path

from loopagent.domain.ids import SessionId, is_session_id

MARKER = "LOOP_SESSION"

_PROC = Path("/proc")
_GRACE_SECONDS = 1.0
_POLL_SECONDS = 0.02
# A process that forks faster than it is killed must not hold the caller for ever.
_MAX_ROUNDS = 20
# From a launcher over bubblewrap's two processes and a shell to the agent program.
_MAX_DEPTH = 5


def marked() -> Iterator[tuple[int, SessionId]]:
    """Every process that carries the marker, with its session; never this process."""
    prefix = f"{MARKER}=".encode()
    for pid in _pids():
        for variable in _environ(pid):
            session_id = variable.removeprefix(prefix).decode("ascii", "replace")
            if variable.startswith(prefix) and is_session_id(session_id):
                yield pid, SessionId(session_id)
                break


def strays(known: Set[SessionId], below: Path | None = None) -> list[tuple[int, SessionId]]:
    """Processes of sessions that aren't in `known`.

    below: only those that were given a place below this folder: another server's are not ours.
    """
    found = [(pid, session_id) for pid, session_id in marked() if session_id not in known]
    if below is None:
        return found
    mark = f"={below.absolute()}/".encode()
    return [(pid, of) for pid, of in found if any(mark in line for line in _environ(pid))]


def sweep(session_id: SessionId) -> int:
    """End all processes of a session: SIGTERM, a second later SIGKILL. Gives their number.

    It blocks up to about a second and a half: call it in a thread.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + _GRACE_SECONDS
    told: set[int] = set()
    while left := _of(session_id):
        ended |= left
        if time.monotonic() >= deadline:
            break
        for pid in left - told:
            _signal(pid, session_id, signal.SIGTERM)
        told |= left
        time.sleep(_POLL_SECONDS)
    for _ in range(_MAX_ROUNDS):
        left = _of(session_id)
        if not left:
            break
        ended |= left
        for pid in left:
            _signal(pid, session_id, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return len(ended)


def program_below(pid: int, name: str) -> int:
    """The process that runs a program of this name at or below a launcher's; else that one."""
    level = [pid]
    for _ in range(_MAX_DEPTH):
        for found in level:
            if _name(found) == name:
                return found
        level = [child for found in level for child in children(found)]
    return pid


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """The processes that a process has started and that live, as far as it is known."""
    try:
        threads = os.listdir(_PROC / f"{pid}/task")  # noqa: PTH208
        texts = [(_PROC / f"{pid}/task/{thread}/children").read_text() for thread in threads]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]


def _of(session_id: SessionId) -> set[int]:
    return {pid for pid in _pids() if _is_of(pid, session_id)}


def _is_of(pid: int, session_id: SessionId) -> bool:
    return f"{MARKER}={session_id}".encode() in _environ(pid)


def _pids() -> Iterator[int]:
    own = os.getpid()
    try:
        names = os.listdir(_PROC)  # noqa: PTH208  a thousand Path objects are not needed
    except OSError:
        return
    for name in names:
        if name.isdigit() and int(name) != own:
            yield int(name)


def _environ(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        # It has ended, or belongs to somebody else.
        return []


def _signal(pid: int, session_id: SessionId, number: signal.Signals) -> None:
    """Send a signal to a process that is still the session's.

    The descriptor pins the process, so that a number that was given anew in between is not hit.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if _is_of(pid, session_id):
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return
    finally:
        os.close(descriptor)

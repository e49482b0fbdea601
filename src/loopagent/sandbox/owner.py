"""A user id per session, for a server that runs as root: the kernel's own wall between sessions.

The number follows from the session's id alone, so that every machine comes to the same one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from loopagent.domain.ids import SessionId

_UID_MAP = Path("/proc/self/uid_map")
# Above this, some programs take a user id for a negative number.
_TOP = 1 << 31


def user_of(session_id: SessionId) -> int | None:
    """The user that a session's programs run as; None if the server isn't root and can't choose."""
    if os.geteuid() != 0:
        return None
    top = min(_known_users(), _TOP)
    low, high = top // 2, top - top // 16
    number = int.from_bytes(hashlib.sha256(session_id.encode()).digest()[:8])
    return low + number % (high - low)


def own(places: Iterable[Path], user: int) -> None:
    """Give folders with all below them to a user, through no link; raises OSError."""
    for place in places:
        for _, folders, files, descriptor in os.fwalk(place, follow_symlinks=False):
            for name in (*folders, *files):
                # The server itself writes here now and then, as whoever it is.
                if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid != user:
                    os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)
        os.chown(place, user, user, follow_symlinks=False)


def _known_users() -> int:
    """How many user ids there are here: few in a container with a map of its own."""
    try:
        lines = _UID_MAP.read_text().splitlines()
    except OSError:
        return _TOP
    return max((int(line.split()[0]) + int(line.split()[2]) for line in lines), default=_TOP)

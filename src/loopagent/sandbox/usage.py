"""What a session's processes and folder take, where the kernel has no limit for all of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from loopagent.sandbox.processes import children, program_below

_PAGE = os.sysconf("SC_PAGE_SIZE")
_BLOCK = 512
_MAX_PROCESSES = 10_000


def relieve(launched: int, program: str, limit: int) -> int:
    """If the processes of a launcher take more than `limit` bytes, end the largest; gives its id.

    program: the name of the agent program, which is ended only if it is the largest by itself.
    Gives 0 if nothing had to be ended. It blocks for a moment.
    """
    sizes = {pid: _resident(pid) for pid in _tree(launched)}
    if sum(sizes.values()) <= limit:
        return 0
    spared = {launched, program_below(launched, program)}
    largest = max(sizes.keys() - spared, key=sizes.__getitem__, default=0)
    if not largest or sizes[largest] < max(sizes[pid] for pid in spared & sizes.keys()):
        largest = max(sizes, key=sizes.__getitem__)
    with suppress(ProcessLookupError):
        os.kill(largest, signal.SIGKILL)
    return largest


def folder_size(places: Iterable[Path], limit: int) -> int:
    """The bytes on disk below some folders; counts no further once there are more than `limit`.

    Folders nested so deeply that they can't be counted are a trap, and count as too much.
    """
    try:
        return _counted(places, limit)
    except RecursionError:
        return limit + 1


def _counted(places: Iterable[Path], limit: int) -> int:
    total = 0
    for place in places:
        for _, _, files, descriptor in os.fwalk(place, follow_symlinks=False):
            for name in files:
                with suppress(OSError):
                    facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    total += facts.st_blocks * _BLOCK
            if total > limit:
                return total
    return total


def _tree(pid: int) -> list[int]:
    found = [pid]
    for at in found:
        found += children(at)
        if len(found) > _MAX_PROCESSES:
            break
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0

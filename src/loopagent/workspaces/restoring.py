"""Putting files back as they were, through descriptors of folders: nothing outside is touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopagent.errors import ConflictError, LoopError, UnsafePathError
from loopagent.workspaces.beneath import folder_at, give_link, inner_folder, is_there
from loopagent.workspaces.files import write
from loopagent.workspaces.scan import LINK, PROGRAM, Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Paths. kept: they are in the way of what was, and are in no checkpoint: left as they are."""

    written: tuple[str, ...]
    deleted: tuple[str, ...]
    kept: tuple[str, ...]


def restore(
    root: Path,
    gone: Iterable[str],
    wanted: Iterator[tuple[str, Content]],
    ours: Collection[str],
) -> Restored:
    """Delete files and write others. ours: what a checkpoint holds as it is now.

    Raises OSError where the disk is full or the root is gone.
    """
    deleted: list[str] = []
    written: list[str] = []
    kept: list[str] = []
    for path in gone:
        parts = tuple(path.split("/"))
        with suppress(LoopError), folder_at(root, parts[:-1]) as folder:
            os.unlink(parts[-1], dir_fd=folder)
            deleted.append(path)
        _sweep(root, parts[:-1])
    for path, content in wanted:
        try:
            is_done = _write(root, path, content, is_ours=path in ours)
        except (UnsafePathError, ConflictError):
            is_done = False  # something else is in its way
        (written if is_done else kept).append(path)
    return Restored(written=tuple(written), deleted=tuple(deleted), kept=tuple(kept))


def _write(root: Path, path: str, content: Content, *, is_ours: bool) -> bool:
    *parents, name = path.split("/")
    with folder_at(root, tuple(parents), make=True) as folder:
        if is_there(folder, name):
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                _remove_hollow(folder, name)
            elif not is_ours:
                return False
        if content.mode == LINK:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.symlink(os.fsdecode(content.data), name, dir_fd=folder)
            give_link(folder, name)
        else:
            write(folder, name, content.data, 0o755 if content.mode == PROGRAM else 0o644)
        return True


def _remove_hollow(folder: int, name: str) -> None:
    """Remove a folder that holds folders alone; raises OSError if there is more in it."""
    inner = inner_folder(folder, name)
    try:
        for below in os.listdir(inner):  # noqa: PTH208  a descriptor
            _remove_hollow(inner, below)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)


def _sweep(root: Path, parts: tuple[str, ...]) -> None:
    """Remove folders that hold nothing any more."""
    while parts:
        try:
            with folder_at(root, parts[:-1]) as folder:
                os.rmdir(parts[-1], dir_fd=folder)
        except LoopError:
            return
        parts = parts[:-1]

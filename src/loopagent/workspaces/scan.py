"""What is in a workspace, file by file, read so that what has not changed need not be read again.

Every file counts, ignored by somebody's Git or not, up to a size. A `.git` is left out wherever it
is: so nested repositories are plain files, and a person's own history is never touched.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from loopagent.errors import InvalidRequestError
from loopagent.workspaces.beneath import folder_at, inner_folder, read_only

LARGEST_FILE = 10 << 20
MOST_FILES = 200_000
_DEPTH = 100
_GIT = ".git"

PLAIN, PROGRAM, LINK = "100644", "100755", "120000"
Mark: TypeAlias = str
"""How a file looks from outside: another mark may mean another content, the same one never does."""


@dataclass(slots=True)
class Scan:
    """Paths with their marks, and the paths of what is too large or can't be read."""

    marks: dict[str, Mark] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it is kept: its kind as Git writes it, and its bytes (of a link: its target)."""

    mode: str
    data: bytes


def scan(root: Path, largest: int = LARGEST_FILE) -> Scan:
    """All files below the root; raises InvalidRequestError if there are too many."""
    found = Scan()
    with folder_at(root, ()) as folder:
        _scan(folder, "", 0, largest, found)
    return found


def _scan(folder: int, prefix: str, depth: int, largest: int, found: Scan) -> None:
    with os.scandir(folder) as entries:
        listed = list(entries)
    for entry in listed:
        name = entry.name
        if name == _GIT:
            continue
        path = prefix + name
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth >= _DEPTH:
                    found.left_out.append(path)
                    continue
                inner = inner_folder(folder, name)
                try:
                    _scan(inner, f"{path}/", depth + 1, largest, found)
                finally:
                    os.close(inner)
                continue
            facts = entry.stat(follow_symlinks=False)
        except OSError:
            found.left_out.append(path)
            continue
        if stat.S_ISLNK(facts.st_mode) or (
            stat.S_ISREG(facts.st_mode) and facts.st_size <= largest
        ):
            # Nobody can set the time of the last change of state.
            found.marks[path] = (
                f"{facts.st_mode}:{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}:"
                f"{facts.st_ino}"
            )
        else:
            found.left_out.append(path)
    if len(found.marks) > MOST_FILES:
        raise InvalidRequestError(
            f"The workspace has more than {MOST_FILES} files: no checkpoint is kept of so many."
        )


def changed_at(mark: Mark) -> int:
    """When the file of this mark was last changed, in nanoseconds."""
    return int(mark.split(":")[3])


class Reader:
    """Reads files one after the other; neighbours in one folder share its descriptor."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._folder = root
        self._at = ""

    def content(self, path: str, largest: int = LARGEST_FILE) -> Content | None:
        """None if it is not there any more, not readable or too large by now."""
        parent, _, name = path.rpartition("/")
        try:
            folder = self._enter(parent)
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                return Content(LINK, os.fsencode(os.readlink(name, dir_fd=folder)))
            with open(read_only(folder, name), "rb") as file:  # noqa: PTH123  a descriptor
                data = file.read(largest + 1)
                mode = PROGRAM if os.fstat(file.fileno()).st_mode & 0o100 else PLAIN
        except OSError:
            return None
        return Content(mode, data) if len(data) <= largest else None

    def _enter(self, parent: str) -> int:
        if parent != self._at:
            self.close()
            here = self._root
            for name in parent.split("/") if parent else ():
                try:
                    inner = inner_folder(here, name)
                finally:
                    if here != self._root:
                        os.close(here)
                here = inner
            self._folder, self._at = here, parent
        return self._folder

    def close(self) -> None:
        """Close what this has opened."""
        if self._folder != self._root:
            os.close(self._folder)
        self._folder, self._at = self._root, ""


@contextmanager
def reading(root: Path) -> Iterator[Reader]:
    """A reader of the files below the root."""
    with folder_at(root, ()) as folder:
        reader = Reader(folder)
        try:
            yield reader
        finally:
            reader.close()

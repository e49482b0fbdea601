"""What a person does to the files of a workspace: see, take, put, rename and delete them.

Functions of a workspace's folder and of a path relative to it. They block, follow no link, and
leave nothing outside. Who may do it, and that the agent is told, is for others.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from loopagent.errors import ConflictError, InvalidRequestError, NotFoundError
from loopagent.workspaces.beneath import (
    folder_at,
    inner_folder,
    is_there,
    new_file,
    new_folder,
    parts_of,
    place_of,
    read_only,
)

Kind: TypeAlias = Literal["folder", "file", "link", "other"]

MOST_ENTRIES = 2_000
_DEPTH = 100
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or folder. target: where a link leads, as it is written there."""

    name: str
    path: str
    kind: Kind
    size: int
    modified_at: datetime
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A folder: folders first, by name. total: how many entries there are, shown or not."""

    path: str
    entries: tuple[Entry, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much a workspace holds."""

    files: int
    bytes: int


class OpenFile:
    """A file that is open: what it is called and how long it was. Close it."""

    def __init__(self, name: str, descriptor: int) -> None:
        facts = os.fstat(descriptor)
        self.name = name
        self.size = facts.st_size
        self.modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
        self._descriptor = descriptor

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from there on, or what there is."""
        return os.pread(self._descriptor, length, start)

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on, some at a time; it closes the file."""
        left = self.size - start if length is None else length
        try:
            while left > 0 and (piece := self.read(start, min(left, _PIECE))):
                yield piece
                start, left = start + len(piece), left - len(piece)
        finally:
            self.close()

    def __del__(self) -> None:
        self.close()  # whoever has asked for it may leave before the first byte

    def close(self) -> None:
        """No harm if it is closed already."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def look(root: Path, path: str = "") -> Listing:
    """A folder's entries; raises NotFoundError, UnsafePathError."""
    parts = parts_of(path)
    entries = []
    with folder_at(root, parts) as folder:
        for name in os.listdir(folder):  # noqa: PTH208  a descriptor
            with suppress(FileNotFoundError):
                entries.append(_entry(folder, name, "/".join((*parts, name))))
    entries.sort(key=lambda entry: (entry.kind != "folder", entry.name.casefold(), entry.name))
    return Listing(path="/".join(parts), entries=tuple(entries[:MOST_ENTRIES]), total=len(entries))


def entry_at(root: Path, path: str) -> Entry:
    """What is there; raises NotFoundError, UnsafePathError."""
    with place_of(root, path) as (folder, name):
        return _entry(folder, name, "/".join(parts_of(path)))


def open_file(root: Path, path: str) -> OpenFile:
    """Raises NotFoundError, UnsafePathError, InvalidRequestError for what is no regular file."""
    with place_of(root, path) as (folder, name):
        return OpenFile(name, read_only(folder, name))


def put(root: Path, path: str, content: bytes, *, replace: bool = False) -> bool:
    """Write a file whole; missing folders are made. True if there was none of that name.

    Raises ConflictError if there is one and it isn't to be replaced.
    """
    with place_of(root, path, make=True) as (folder, name):
        was_there = is_there(folder, name)
        if was_there and not replace:
            raise ConflictError(f"{path!r} is there already. Replace it, or choose another name.")
        mode = 0o644
        if was_there:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                raise ConflictError(f"{path!r} is no plain file. Choose another name.")
            mode = 0o755 if facts.st_mode & 0o100 else 0o644
        write(folder, name, content, mode)
    return not was_there


def write(folder: int, name: str, content: bytes, mode: int) -> None:
    """Put a file in place at once, so that nobody sees half of it; raises OSError."""
    draft = f".upload-{secrets.token_hex(8)}"
    try:
        with open(new_file(folder, draft, mode), "wb") as file:  # noqa: PTH123  a descriptor
            file.write(content)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(draft, dir_fd=folder)
        raise


def make_folder(root: Path, path: str) -> None:
    """Raises ConflictError if there is something of that name."""
    with place_of(root, path, make=True) as (folder, name):
        os.close(new_folder(folder, name))


def rename(root: Path, old: str, new: str) -> None:
    """Give something another name or another place; raises ConflictError if that is taken."""
    if parts_of(new)[: len(parts_of(old))] == parts_of(old):
        raise InvalidRequestError("A folder can't be moved into itself. Choose another place.")
    with place_of(root, old) as (source, name), place_of(root, new, make=True) as (target, other):
        if not is_there(source, name):
            raise NotFoundError(f"{old!r} isn't there. Look at the list of files.")
        if is_there(target, other):
            raise ConflictError(f"{new!r} is there already. Choose another name.")
        os.rename(name, other, src_dir_fd=source, dst_dir_fd=target)


def delete(root: Path, path: str) -> None:
    """Erase a file, a link or a folder with all below it; raises NotFoundError."""
    with place_of(root, path) as (folder, name):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def measure(root: Path) -> Size:
    """How much there is; what can't be read counts for nothing."""
    files = taken = 0
    for folder, _, names in _walk(root, ()):
        for name in names:
            with suppress(OSError):
                taken += os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
                files += 1
    return Size(files=files, bytes=taken)


def below(root: Path, path: str) -> Iterator[tuple[str, OpenFile | None]]:
    """All files and folders (None) below a folder, by paths relative to it; links are left out.

    Each file is closed when the next one is asked for.
    """
    parts = parts_of(path)
    for folder, inner, names in _walk(root, parts):
        for name in sorted(names):
            try:
                file = OpenFile(name, read_only(folder, name))
            except OSError:
                continue
            try:
                yield "/".join((*inner, name)), file
            finally:
                file.close()
        if inner:
            yield "/".join(inner), None


def _walk(root: Path, parts: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...], list[str]]]:
    """Each folder's descriptor, its names below the first one, and what in it is no folder."""
    with folder_at(root, parts) as first:
        yield from _folders(first, ())


def _folders(
    folder: int, parts: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...], list[str]]]:
    with os.scandir(folder) as found:
        entries = list(found)
    yield folder, parts, [e.name for e in entries if not e.is_dir(follow_symlinks=False)]
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False) or len(parts) >= _DEPTH:
            continue
        try:
            inner = inner_folder(folder, entry.name)
        except OSError:
            continue
        try:
            yield from _folders(inner, (*parts, entry.name))
        finally:
            os.close(inner)


def _entry(folder: int, name: str, path: str) -> Entry:
    facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
    kind: Kind = "other"
    target = None
    if stat.S_ISDIR(facts.st_mode):
        kind = "folder"
    elif stat.S_ISREG(facts.st_mode):
        kind = "file"
    elif stat.S_ISLNK(facts.st_mode):
        kind = "link"
        target = readable(os.readlink(name, dir_fd=folder))
    return Entry(
        name=readable(name),
        path=readable(path),
        kind=kind,
        size=facts.st_size if kind == "file" else 0,
        modified_at=datetime.fromtimestamp(facts.st_mtime, UTC),
        target=target,
    )


def readable(name: str) -> str:
    """A name whose bytes are no UTF-8, as it can be shown."""
    return name.encode(errors="surrogateescape").decode(errors="replace")

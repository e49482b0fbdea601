"""Folders below a root, reached name by name through open descriptors.

No link is ever followed: whatever is put in place of a folder between the look and the deed, the
descriptor stays with the folder that was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from loopagent.errors import (
    ConflictError,
    InvalidRequestError,
    LoopError,
    NotFoundError,
    UnavailableError,
    UnsafePathError,
)
from loopagent.workspaces.paths import check_relative

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A named pipe must not keep us waiting for somebody to open its other end.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(path: str) -> tuple[str, ...]:
    """The names of a relative path, none for the root itself; raises UnsafePathError."""
    check_relative(path)
    return PurePosixPath(path).parts


@contextmanager
def folder_at(root: Path, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder; what fails with it open is told as the error of a caller.

    make: missing folders are made. Raises NotFoundError, UnsafePathError, ConflictError.
    """
    with _told("/".join(parts) or "The workspace"):
        here = os.open(root, _FOLDER)
        try:
            for name in parts:
                try:
                    inner = os.open(name, _FOLDER, dir_fd=here)
                except FileNotFoundError:
                    if not make:
                        raise
                    inner = new_folder(here, name)
                os.close(here)
                here = inner
            yield here
        finally:
            os.close(here)


@contextmanager
def place_of(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder of what `path` names, and its name there; the root itself has none.

    Raises as `folder_at` does.
    """
    parts = parts_of(path)
    if not parts:
        raise InvalidRequestError("Name a file or folder inside the workspace, as `path`.")
    with folder_at(root, parts[:-1], make=make) as folder, _told(path):
        yield folder, parts[-1]


def read_only(folder: int, name: str) -> int:
    """A descriptor of a regular file; raises OSError."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def inner_folder(folder: int, name: str) -> int:
    """A descriptor of a folder in a folder; raises OSError."""
    return os.open(name, _FOLDER, dir_fd=folder)


def new_file(folder: int, name: str, mode: int = 0o644) -> int:
    """A descriptor of a new file, its folder's owner's; raises OSError."""
    descriptor = os.open(name, _NEW, 0o600, dir_fd=folder)
    try:
        _give(descriptor, folder)
        os.fchmod(descriptor, mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def new_folder(folder: int, name: str) -> int:
    """A descriptor of a new folder, its folder's owner's; raises OSError."""
    os.mkdir(name, 0o755, dir_fd=folder)
    descriptor = inner_folder(folder, name)
    try:
        _give(descriptor, folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_there(folder: int, name: str) -> bool:
    """Whether the folder has an entry of that name, be it a link that leads nowhere."""
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def give_link(folder: int, name: str) -> None:
    """Give a link to its folder's owner."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.chown(name, owner.st_uid, owner.st_gid, dir_fd=folder, follow_symlinks=False)


def _give(descriptor: int, folder: int) -> None:
    """A server that is root runs each session as a user of its own, who must own what is new."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _error(path, error) from error


def _error(path: str, error: OSError) -> LoopError:
    match error.errno:
        case errno.ENOENT:
            return NotFoundError(f"{path!r} isn't there. Look at the list of files.")
        case errno.ENOTDIR | errno.ELOOP:
            return UnsafePathError(
                f"{path!r} leads through a link or a file. Name the real folder: no link is followed."
            )
        case errno.EINVAL | errno.ENXIO | errno.EISDIR:
            return InvalidRequestError(f"{path!r} is no file with content. Choose another one.")
        case errno.EEXIST | errno.ENOTEMPTY:
            return ConflictError(f"{path!r} is there already. Choose another name.")
        case errno.EACCES | errno.EPERM:
            return ConflictError(f"{path!r} may not be touched: its rights forbid it.")
        case errno.ENAMETOOLONG:
            return UnsafePathError("The path is too long. Shorten its names.")
        case _:
            return UnavailableError(
                f"{path!r}: {error.strerror or error}. Check the disk and its free space."
            )

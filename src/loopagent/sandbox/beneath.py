"""Opens files in folders that an agent may write to, and that it may have filled with traps.

A link there would make the server read or write with its own rights what the agent can't.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

Mode = Literal["rb", "r+b", "ab"]

_FLAGS: Mapping[Mode, int] = {
    "rb": os.O_RDONLY,
    "r+b": os.O_RDWR,
    "ab": os.O_WRONLY | os.O_APPEND,
}
_TRAPS = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR})


def open_beneath(base: Path, relative: PurePath, mode: Mode) -> BinaryIO:
    """A regular file that is there, reached from `base` through real folders alone.

    Raises FileNotFoundError for a link, a pipe or anything else in its place; OSError.
    """
    folder = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in relative.parts[:-1]:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(name, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        # Without waiting: a pipe that nobody writes to would be waited for without end.
        flags = _FLAGS[mode] | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(relative.name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _TRAPS:
            raise FileNotFoundError(errno.ENOENT, "no regular file", str(relative)) from error
        raise
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise FileNotFoundError(errno.ENOENT, "no regular file", str(relative))
    return os.fdopen(file, mode)

"""Copies of programs that may be run but not read.

The kernel lets nobody look into a process whose program its user can't read: neither its memory
nor its environment nor its open files. So what an agent's commands run beside, they can't reach.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path

_EXECUTE_ONLY = 0o111


def sealed(program: Path, place: Path) -> Path:
    """The path of the program's copy below `place`, made if it isn't there; raises OSError."""
    source = program.resolve()
    facts = source.stat()
    copy = place / f"{facts.st_size}-{facts.st_mtime_ns}" / program.name
    with suppress(FileNotFoundError):
        found = copy.lstat()
        if found.st_size == facts.st_size and found.st_uid == os.geteuid():
            # Its owner can make it readable again, and an agent may be the owner.
            if stat.S_IMODE(found.st_mode) != _EXECUTE_ONLY:
                copy.chmod(_EXECUTE_ONLY)
            return copy
    # Others pass through, and see no names.
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    copy.parent.mkdir(mode=0o711, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.{secrets.token_hex(4)}")
    try:
        shutil.copyfile(source, draft)
        draft.chmod(_EXECUTE_ONLY)
        draft.replace(copy)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    return copy

"""Files of a workspace that agents never read: a project's secrets, known by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loopagent.domain.secret_files import is_secret_file

_MAX_FOLDERS = 5000
_MAX_FILES = 200
_SKIPPED = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__", "site-packages"})


def secret_files(workspace: Path) -> Iterator[Path]:
    """The paths below the workspace, relative to it; no link is followed."""
    found = 0
    for seen, (folder, names, files) in enumerate(os.walk(workspace)):
        if seen > _MAX_FOLDERS or found > _MAX_FILES:
            return
        names[:] = [name for name in names if name not in _SKIPPED]
        for name in files:
            path = Path(folder, name)
            if is_secret_file(name) and not path.is_symlink():
                found += 1
                yield path.relative_to(workspace)

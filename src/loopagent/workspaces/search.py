"""Finds files of a workspace by a part of their path. Nothing is read, and no link is followed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_SKIPPED = frozenset({".git", "node_modules", "__pycache__", ".venv", ".mypy_cache"})
_MOST_ENTRIES = 20_000


def find_files(root: Path, query: str, limit: int = 12) -> list[str]:
    """Paths below `root` that hold the query's letters in their order, the best first."""
    wanted = query.lower()
    ranked = [
        (rank, len(path), path)
        for path in _paths(root)
        if (rank := _rank(path.lower(), wanted)) is not None
    ]
    return [path for _, _, path in sorted(ranked)[:limit]]


def _paths(root: Path) -> Iterator[str]:
    seen = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        below = os.path.relpath(folder, root)
        for name in sorted(files):
            seen += 1
            if seen > _MOST_ENTRIES:
                return
            if name.isprintable():
                yield name if below == "." else f"{below}/{name}"


def _rank(path: str, wanted: str) -> int | None:
    """0: the name begins so; 1: the path holds it; 2: its letters come in this order."""
    if path.rsplit("/", 1)[-1].startswith(wanted):
        return 0
    if wanted in path:
        return 1
    letters = iter(path)
    return 2 if all(letter in letters for letter in wanted) else None

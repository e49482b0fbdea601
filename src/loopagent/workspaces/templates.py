"""Template folders: what a new workspace may start from, and the copying of one.

A template is a folder below the templates folder. It may hold a `template.json` with a `name` and
a `description` for people, which isn't copied.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopagent.errors import InvalidRequestError, UnknownTemplateError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_FACTS_FILE = "template.json"
_NOT_COPIED = {".git", "__pycache__", ".DS_Store"}
_MAX_FILES = 20_000
_MAX_BYTES = 1 << 30
_MAX_FACTS_BYTES = 65_536
_MAX_TITLE = 200
_MAX_DESCRIPTION = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template: `name` is its folder's, `title` is for people."""

    name: str
    title: str
    description: str


def list_templates(folder: Path) -> list[Template]:
    """All templates by name; none if the folder is missing."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
    return [_describe(folder / name) for name in names if _NAME.match(name)]


def find_template(folder: Path, name: str) -> Path:
    """The template's folder; raises UnknownTemplateError that lists what there is."""
    if _NAME.match(name) and (folder / name).is_dir():
        return folder / name
    there_are = ", ".join(template.name for template in list_templates(folder))
    raise UnknownTemplateError(
        f"There is no template {name!r}. "
        + (f"Choose one of: {there_are}." if there_are else "Start with an empty workspace.")
    )


def copy_template(source: Path, target: Path) -> None:
    """Copy regular files, folders and links that stay inside; raises OSError, or if too much."""
    _Copy(Path(os.path.realpath(source))).folder(Path(os.path.realpath(source)), target)


def _describe(folder: Path) -> Template:
    facts: Any = {}
    try:
        with (folder / _FACTS_FILE).open("rb") as file:
            facts = json.loads(file.read(_MAX_FACTS_BYTES))
    except (OSError, ValueError):
        # A template without facts, or with broken ones, can still be used.
        facts = {}
    facts = facts if isinstance(facts, dict) else {}
    return Template(
        name=folder.name,
        title=str(facts.get("name") or folder.name)[:_MAX_TITLE],
        description=str(facts.get("description") or "")[:_MAX_DESCRIPTION],
    )


@dataclass(slots=True)
class _Copy:
    """One copying: its root and what it has come to."""

    root: Path
    files: int = field(default=0)
    bytes: int = field(default=0)

    def folder(self, source: Path, target: Path) -> None:
        # Taken whole: an error must not leave an open iterator behind.
        with os.scandir(source) as entries:
            found = list(entries)
        for entry in found:
            if entry.name in _NOT_COPIED or (source == self.root and entry.name == _FACTS_FILE):
                continue
            copy = target / entry.name
            if entry.is_symlink():
                self._link(Path(entry.path), copy)
            elif entry.is_dir(follow_symlinks=False):
                self._count(0)
                copy.mkdir(mode=0o700)
                self.folder(Path(entry.path), copy)
            elif entry.is_file(follow_symlinks=False):
                facts = entry.stat(follow_symlinks=False)
                self._count(facts.st_size)
                shutil.copyfile(entry.path, copy, follow_symlinks=False)
                # Never a set-uid bit; always writable by its owner.
                copy.chmod((facts.st_mode & 0o755) | 0o600)

    def _link(self, source: Path, copy: Path) -> None:
        """Links that are absolute or lead out of the template aren't copied."""
        aim = source.readlink()
        if not aim.is_absolute() and Path(os.path.realpath(source)).is_relative_to(self.root):
            self._count(0)
            copy.symlink_to(aim)

    def _count(self, size: int) -> None:
        self.files += 1
        self.bytes += size
        if self.files > _MAX_FILES or self.bytes > _MAX_BYTES:
            raise InvalidRequestError(
                f"The template {self.root.name} has more than {_MAX_FILES} files or "
                f"{_MAX_BYTES >> 30} GiB. Make it smaller."
            )

"""What is on the pages of a session's files and of its changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopagent.domain.ids import SessionId
from loopagent.web.pages.contexts import Shell
from loopagent.web.pages.diffs import Line
from loopagent.workspaces.files import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPage:
    """A folder of a session. trail: the folders on the way; files, bytes: of the workspace."""

    shell: Shell
    id: SessionId
    title: str
    trail: Sequence[tuple[str, str]]
    path: str
    entries: Sequence[Entry]
    total: int
    files: int
    bytes: int
    is_archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    """A file. form: code, picture, binary, link or none."""

    shell: Shell
    id: SessionId
    title: str
    trail: Sequence[tuple[str, str]]
    entry: Entry
    form: str
    lines: Sequence[str] = ()
    is_cut: bool = False
    picture: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """A checkpoint in the list."""

    number: int
    at: datetime
    words: str
    files: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFile:
    """is_cut: too long to be shown among others."""

    path: str
    kind: str
    added: int | None
    removed: int | None
    lines: Sequence[Line]
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """From one checkpoint to another. first, newest: the whole session's."""

    shell: Shell
    id: SessionId
    title: str
    old: int
    new: int
    first: int
    newest: int
    keeps: Sequence[Keep]
    changes: Sequence[ChangedFile]
    total: int
    can_rewind: bool

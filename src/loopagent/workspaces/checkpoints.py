"""Checkpoints of a workspace: taken, listed, compared, gone back to.

    <session's folder>/checkpoints/{git, index.json, lock}

Number 0 is the empty folder that every session starts from. The index spares us reading what has
not changed; without it, or with an old one, everything is read. All functions here block.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from loopagent.errors import LoopError, UnavailableError
from loopagent.workspaces import restoring
from loopagent.workspaces.folder import SessionFolder
from loopagent.workspaces.restoring import Restored
from loopagent.workspaces.scan import Content, Mark, Reader, changed_at, reading, scan
from loopagent.workspaces.shadow import NOTHING, Change, Shadow, check_number

_REFS = "refs/checkpoints"
# Clocks of file systems tick that slowly: what changed just now may change again unseen.
_TICK = 20_000_000
_TIDY_EVERY = 50
# For each path its mark, and a digest of what is kept of it.
Index: TypeAlias = dict[str, tuple[Mark, str]]
_NONE = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The workspace at a moment. seq: how far the log was. why: start, turn, hand or rewind.

    files: how many differ from the one before; left_out: too large to be kept.
    """

    number: int
    at: datetime
    seq: int
    why: str
    files: int
    left_out: int


class Checkpoints:
    """Those of one session."""

    def __init__(self, folder: SessionFolder) -> None:
        self._workspace = folder.workspace
        self._place = folder.root / "checkpoints"
        self._shadow = Shadow(self._place / "git")

    def take(self, why: str, seq: int) -> Checkpoint | None:
        """Keep the workspace as it is; None if nothing has changed.

        Raises UnavailableError (no Git, a full disk), InvalidRequestError (too many files).
        """
        with self._lock():
            return self._take(why, seq)

    def look(self) -> list[Checkpoint]:
        """All of them, oldest first."""
        return [_checkpoint(*ref) for ref in self._shadow.refs(_REFS)]

    def changes(self, old: int, new: int) -> list[Change]:
        """The files that differ between two of them; raises NotFoundError."""
        if not self._shadow.is_there and old == new == 0:
            return []
        return self._shadow.changes(*self._revisions(old, new))

    def patch(self, old: int, new: int, path: str | None = None, *, binary: bool = False) -> str:
        """The difference of one file, or of all; raises NotFoundError."""
        if not self._shadow.is_there and old == new == 0:
            return ""
        return self._shadow.patch(*self._revisions(old, new), path, binary=binary)

    def rewind(self, number: int, seq: int) -> Restored:
        """Make the workspace what it was; what it is now is kept as a checkpoint first.

        Raises NotFoundError.
        """
        with self._lock():
            self._take("hand", seq)
            known = self.look()
            newest = known[-1].number if known else 0
            check_number(number, (0, *(one.number for one in known)))
            target, present = self._revision(number), self._revision(newest)
            if number == newest:
                return Restored(written=(), deleted=(), kept=())
            changes = self._shadow.changes(present, target)
            wanted = [change.path for change in changes if change.kind != "deleted"]
            gone = [change.path for change in changes if change.kind == "deleted"]
            ours = {change.path for change in changes if change.kind != "added"}
            restored = restoring.restore(
                self._workspace, gone, self._shadow.contents(target, wanted), ours
            )
            self._take("rewind", seq)
            return restored

    def _take(self, why: str, seq: int) -> Checkpoint | None:
        began = time.time_ns()
        refs = self._shadow.refs(_REFS)
        newest = _number(refs[-1][0]) if refs else 0
        known = self._index(newest)
        found = scan(self._workspace)
        index = known or {}
        touched = [p for p, mark in found.marks.items() if index.get(p, _NONE)[0] != mark]
        gone = [path for path in index if path not in found.marks]
        kept = _Kept(began, found.marks, index)
        with reading(self._workspace) as reader:
            changed = sorted(path for path in touched if not kept.is_same(path, reader))
            if not changed and not gone and (known is not None or newest == 0):
                if newest:
                    self._write_index(newest, kept.lines())
                return None
            facts = {
                "why": why,
                "seq": seq,
                "files": len(changed) + len(gone),
                "left_out": len(found.left_out),
            }
            number, at = newest + 1, int(time.time())
            ref = f"{_REFS}/{number}"
            self._shadow.begin()
            self._shadow.keep(
                ref,
                json.dumps(facts),
                at,
                parent=f"{_REFS}/{newest}" if newest else None,
                is_whole=known is None,
                gone=gone,
                found=kept.read(changed, reader),
            )
        self._write_index(number, kept.lines())
        if number % _TIDY_EVERY == 0:
            with suppress(LoopError):
                self._shadow.tidy()
        return _checkpoint(ref, at, json.dumps(facts))

    def _revisions(self, old: int, new: int) -> tuple[str, str]:
        known = [0, *(one.number for one in self.look())]
        for number in (old, new):
            check_number(number, known)
        return self._revision(old), self._revision(new)

    def _revision(self, number: int) -> str:
        return f"{_REFS}/{number}" if number else NOTHING

    def _index(self, number: int) -> Index | None:
        try:
            kept = json.loads((self._place / "index.json").read_bytes())
        except (OSError, ValueError):
            return None
        is_current = isinstance(kept, dict) and kept.get("number") == number
        return kept["files"] if is_current else None

    def _write_index(self, number: int, files: Index) -> None:
        draft = self._place / f"index-{secrets.token_hex(4)}"
        try:
            draft.write_text(json.dumps({"number": number, "files": files}), encoding="ascii")
            draft.replace(self._place / "index.json")
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self._place.mkdir(mode=0o700, exist_ok=True)
            with (self._place / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise UnavailableError(
                f"A checkpoint can't be taken: {error.strerror or error}. Check the free space."
            ) from error


class _Kept:
    """What becomes of the index while a checkpoint is taken."""

    def __init__(self, began: int, marks: dict[str, Mark], known: Index) -> None:
        self._began = began
        self._marks = marks
        self._known = known
        self._digests: dict[str, str] = {}

    def is_same(self, path: str, reader: Reader) -> bool:
        """Whether a file that was touched still has the content that is kept."""
        before = self._known.get(path)
        content = reader.content(path) if before is not None else None
        if before is None or content is None:
            return False
        self._digests[path] = _digest(content)
        return self._digests[path] == before[1]

    def read(self, paths: list[str], reader: Reader) -> Iterator[tuple[str, Content]]:
        """The contents that are to be kept."""
        for path in paths:
            content = reader.content(path)
            self._digests[path] = "" if content is None else _digest(content)
            if content is not None:
                yield path, content

    def lines(self) -> Index:
        """The index as it is now: what changed just now may change again unseen, so it has no mark."""
        lines = {}
        for path, mark in self._marks.items():
            digest = self._digests.get(path) or self._known.get(path, _NONE)[1]
            sure = changed_at(mark) < self._began - _TICK and self._digests.get(path) != ""
            lines[path] = (mark if sure else "", digest)
        return lines


def _digest(content: Content) -> str:
    return hashlib.blake2b(content.mode.encode() + content.data, digest_size=16).hexdigest()


def _number(ref: str) -> int:
    return int(ref.rpartition("/")[2])


def _checkpoint(ref: str, at: int, message: str) -> Checkpoint:
    facts = json.loads(message)
    return Checkpoint(
        number=_number(ref),
        at=datetime.fromtimestamp(at, UTC),
        seq=facts["seq"],
        why=facts["why"],
        files=facts["files"],
        left_out=facts["left_out"],
    )

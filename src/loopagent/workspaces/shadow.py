"""The shadow repository of a session: a bare one beside the workspace, which Git never looks at.

What is to be kept is handed to Git as bytes. So nothing in a workspace, neither attributes nor
filters nor hooks nor repositories inside it, makes Git run anything.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

from loopagent.errors import NotFoundError, UnavailableError
from loopagent.workspaces.scan import Content

Revision: TypeAlias = str

NOTHING: Revision = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree that holds no file, which every repository knows."""
LARGEST_PATCH = 20_000_000
_SECONDS = 120
_PLAIN = re.compile(rb"[A-Za-z0-9_./+@=, -]+\Z")
_HARDENED = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.compression=1", "-c", "gc.auto=0"),
    *("-c", "gc.autoDetach=false", "-c", "core.quotePath=false", "--literal-pathspecs"),
)
_DIFF = ("diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file that differs. added, removed: lines, None where the content isn't text."""

    path: str
    kind: Literal["added", "changed", "deleted"]
    added: int | None
    removed: int | None


class Shadow:
    """folder: where the repository is, or will be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_there(self) -> bool:
        return (self._folder / "HEAD").exists()

    def begin(self) -> None:
        """Make the repository, whole or not at all; raises UnavailableError, OSError."""
        if not self.is_there:
            draft = self._folder.with_name(f"{self._folder.name}-{secrets.token_hex(4)}")
            self._run("init", "--bare", "--quiet", "--template=", str(draft))
            draft.rename(self._folder)

    def keep(
        self,
        ref: str,
        message: str,
        at: int,
        *,
        parent: str | None,
        is_whole: bool,
        gone: Iterable[str],
        found: Iterator[tuple[str, Content]],
    ) -> None:
        """Commit what has changed since the parent; raises UnavailableError.

        is_whole: `found` is everything, and nothing of the parent stays.
        """

        def feed(pipe: IO[bytes]) -> None:
            words = message.encode()
            pipe.write(b"feature done\ncommit %s\n" % ref.encode())
            pipe.write(b"committer Loop Agent <> %d +0000\n" % at)
            pipe.write(b"data %d\n%s\n" % (len(words), words))
            if parent is not None:
                pipe.write(b"from %s^0\n" % parent.encode())
            if is_whole:
                pipe.write(b"deleteall\n")
            # A file may have become a folder: what is gone goes first.
            pipe.writelines(b"D %s\n" % _quoted(path) for path in gone)
            for path, content in found:
                data = content.data
                pipe.write(b"M %s inline %s\n" % (content.mode.encode(), _quoted(path)))
                pipe.write(b"data %d\n%s\n" % (len(data), data))
            pipe.write(b"\ndone\n")

        self._run("fast-import", "--quiet", "--done", feed=feed)

    def refs(self, below: str) -> list[tuple[str, int, str]]:
        """Name, time and message of each, by number; none where there is no repository."""
        if not self.is_there:
            return []
        shape = "--format=%(refname)%00%(committerdate:unix)%00%(contents:subject)"
        text = self._run("for-each-ref", "--sort=version:refname", shape, below).decode()
        lines = (line.split("\0") for line in text.splitlines())
        return [(name, int(at), message) for name, at, message in lines]

    def changes(self, old: Revision, new: Revision) -> list[Change]:
        """The files that differ, by path."""
        text = self._run(*_DIFF, "-z", "--raw", "--numstat", old, new)
        parts = iter(text.split(b"\0"))
        kinds: dict[bytes, Literal["added", "changed", "deleted"]] = {}
        changes = []
        for part in parts:
            if part.startswith(b":"):
                letter = part[-1:]
                path = next(parts)
                kinds[path] = (
                    "added" if letter == b"A" else "deleted" if letter == b"D" else "changed"
                )
            elif part:
                added, removed, path = part.split(b"\t", 2)
                change = Change(
                    path=os.fsdecode(path),
                    kind=kinds[path],
                    added=int(added) if added.isdigit() else None,
                    removed=int(removed) if removed.isdigit() else None,
                )
                changes.append(change)
        return sorted(changes, key=lambda change: change.path)

    def patch(
        self, old: Revision, new: Revision, path: str | None = None, *, binary: bool = False
    ) -> str:
        """The differences as a patch, its bytes as text; cut where it is very long."""
        options = ("--binary", "--full-index") if binary else ()
        only = ("--", path) if path is not None else ()
        text = self._run(*_DIFF, "-p", *options, old, new, *only, most=LARGEST_PATCH)
        return text.decode(errors="surrogateescape")

    def contents(self, revision: Revision, paths: list[str]) -> Iterator[tuple[str, Content]]:
        """The files of a revision that are asked for."""
        modes = self._modes(revision)
        command = ["git", *_HARDENED, "cat-file", "--batch"]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self._environment(), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for path in paths:
                mode, blob = modes[path]
                process.stdin.write(f"{blob}\n".encode())
                process.stdin.flush()
                size = int(process.stdout.readline().rpartition(b" ")[2])
                yield path, Content(mode, process.stdout.read(size))
                process.stdout.read(1)

    def tidy(self) -> None:
        """Put what is kept together, so that it takes less room."""
        self._run("-c", "gc.auto=2000", "gc", "--auto", "--quiet")

    def _modes(self, revision: Revision) -> dict[str, tuple[str, str]]:
        text = self._run("ls-tree", "-r", "-z", revision)
        modes = {}
        for line in text.split(b"\0"):
            if line:
                facts, _, path = line.partition(b"\t")
                mode, _, blob = facts.decode().split(" ")
                modes[os.fsdecode(path)] = (mode, blob)
        return modes

    def _run(
        self, *arguments: str, feed: Callable[[IO[bytes]], None] | None = None, most: int = -1
    ) -> bytes:
        try:
            return _pipe(["git", *_HARDENED, *arguments], self._environment(), feed, most)
        except FileNotFoundError:
            raise UnavailableError(
                "Checkpoints need Git. Install it (`apt install git`)."
            ) from None
        except (OSError, subprocess.SubprocessError) as error:
            raise UnavailableError(
                f"A checkpoint can't be read or written: {_reason(error)}. Check the free space."
            ) from error

    def _environment(self) -> dict[str, str]:
        """Nothing of the machine's or a person's settings of Git counts."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LANG": "C",
            "GIT_DIR": str(self._folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_TERMINAL_PROMPT": "0",
        }


def _pipe(
    command: list[str],
    environment: dict[str, str],
    feed: Callable[[IO[bytes]], None] | None,
    most: int,
) -> bytes:
    if feed is None and most < 0:
        answer = subprocess.run(
            command, env=environment, capture_output=True, check=True, timeout=_SECONDS
        )
        return answer.stdout
    taker = subprocess.PIPE if feed is None else subprocess.DEVNULL
    giver = subprocess.DEVNULL if feed is None else subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=giver, stdout=taker, stderr=subprocess.DEVNULL
    ) as process:
        try:
            if process.stdout is not None:
                return process.stdout.read(most)
            assert feed is not None
            assert process.stdin is not None
            with process.stdin as pipe:
                feed(pipe)
            if process.wait(_SECONDS):
                raise subprocess.CalledProcessError(process.returncode, command)
            return b""
        finally:
            process.kill()


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return said[-1] if said else f"git ended with {error.returncode}"
    return str(error)


def _quoted(path: str) -> bytes:
    data = os.fsencode(path)
    if _PLAIN.match(data) and not data.startswith(b" "):
        return data
    return b'"%s"' % b"".join(
        bytes((byte,)) if _PLAIN.match(bytes((byte,))) else b"\\%03o" % byte for byte in data
    )


def check_number(number: int, known: Iterable[int]) -> None:
    """Raises NotFoundError for a checkpoint that there isn't."""
    if number not in known:
        raise NotFoundError(f"There is no checkpoint {number}. List them to see which there are.")

"""The sessions' folders: made, found, moved to the trash. Nothing outside the root is touched.

    WORKSPACE_ROOT/<session id>/{workspace,config,home,tmp}
    WORKSPACE_ROOT/.trash/<session id>-<time>

A folder that doesn't carry our marker is never removed, and no link is followed.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio

from loopagent.domain.ids import SessionId, is_session_id
from loopagent.errors import (
    ConflictError,
    LoopError,
    NotFoundError,
    SettingsError,
    UnavailableError,
)
from loopagent.workspaces.checkpoints import Checkpoints
from loopagent.workspaces.folder import SessionFolder
from loopagent.workspaces.templates import (
    Template,
    copy_template,
    find_template,
    list_templates,
)

log = logging.getLogger(__name__)

__all__ = ["MARKER", "SessionFolder", "Workspaces"]

MARKER = ".loop-agent-session"

_TRASH = ".trash"
_UNFINISHED = ".new-"
_TIME = "%Y%m%dT%H%M%SZ"
_UNFINISHED_FOR = timedelta(days=1)


class Workspaces:
    """All session folders below one root; templates come from another folder."""

    def __init__(self, root: Path, templates: Path, trash_days: int = 7) -> None:
        # Agents get absolute paths, and path rules compare link-free ones.
        self._root = Path(os.path.realpath(root))
        self._templates = templates.absolute()
        self._trash_for = timedelta(days=trash_days)

    def folder(self, session_id: SessionId) -> SessionFolder:
        """Where a session's folder is or would be; raises NotFoundError for a malformed id."""
        if not is_session_id(session_id):
            raise NotFoundError(f"{session_id!r} isn't a session's id. Look at the list of them.")
        return SessionFolder(self._root / session_id)

    def exists(self, session_id: SessionId) -> bool:
        """True if the session's workspace is there."""
        return self.folder(session_id).workspace.is_dir()

    def templates(self) -> list[Template]:
        """The templates that a session may start from."""
        return list_templates(self._templates)

    async def prepare(self) -> None:
        """Make the root where it is missing; raises SettingsError if sessions can't be made in it."""
        await anyio.to_thread.run_sync(self._prepare)

    async def create(self, session_id: SessionId, template: str | None = None) -> SessionFolder:
        """Make a session's folder, whole or not at all.

        Raises UnknownTemplateError, ConflictError if it is there already, UnavailableError.
        """
        folder = self.folder(session_id)
        await anyio.to_thread.run_sync(self._create, folder, template)
        return folder

    async def remove(self, session_id: SessionId) -> None:
        """Move a session's folder to the trash; a missing one, or one not ours, is left alone."""
        folder = self.folder(session_id)
        await anyio.to_thread.run_sync(self._remove, folder.root)

    async def empty_trash(self) -> int:
        """Erase what has been in the trash for its days; gives the number of folders."""
        return await anyio.to_thread.run_sync(self._empty_trash)

    def _prepare(self) -> None:
        reason: str | None = "it may not be written to"
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
                return
        except OSError as error:
            reason = error.strerror
        raise SettingsError(
            f"Workspaces can't be kept in {self._root}: {reason}. "
            "Make it a writable folder, or choose another with WORKSPACE_ROOT=…"
        )

    def _create(self, folder: SessionFolder, template: str | None) -> None:
        source = find_template(self._templates, template) if template else None
        name = folder.root.name
        draft = SessionFolder(self._root / f"{_UNFINISHED}{name}-{secrets.token_hex(4)}")
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for place in (draft.root, *draft.all):
                place.mkdir(mode=0o700)
            (draft.root / MARKER).write_text(name + "\n", encoding="ascii")
            if source is not None:
                copy_template(source, draft.workspace)
                _keep_start(draft)
            # On an empty folder a rename would succeed.
            if os.path.lexists(folder.root):
                raise ConflictError(f"{folder.root} is there already. Use a new session.")
            draft.root.rename(folder.root)
        except OSError as error:
            _erase(draft.root)
            raise UnavailableError(
                f"The workspace can't be made below {self._root}: {error.strerror or error}. "
                "Check its rights and the free space, or set WORKSPACE_ROOT to another folder."
            ) from error
        except LoopError:
            _erase(draft.root)
            raise

    def _remove(self, folder: Path) -> None:
        if not os.path.lexists(folder):
            return
        if not _is_ours(folder):
            log.warning("%s is not marked as a session's folder: it stays where it is", folder)
            return
        trash = self._root / _TRASH
        moment = datetime.now(UTC).strftime(_TIME)
        try:
            trash.mkdir(mode=0o700, exist_ok=True)
            folder.rename(trash / f"{folder.name}-{moment}")
        except OSError as error:
            raise UnavailableError(
                f"{folder} can't be moved to the trash: {error.strerror or error}. "
                "Check the rights of its folder, or remove it by hand."
            ) from error

    def _empty_trash(self) -> int:
        oldest = datetime.now(UTC) - self._trash_for
        due = [path for path, moment in _entries(self._root / _TRASH) if moment < oldest]
        for path in due:
            _erase(path)
        for path in self._root.glob(f"{_UNFINISHED}*"):
            with suppress(OSError):
                made = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
                if made < datetime.now(UTC) - _UNFINISHED_FOR:
                    _erase(path)
        return len(due)


def _keep_start(folder: SessionFolder) -> None:
    """A workspace without checkpoints can be worked in all the same."""
    try:
        Checkpoints(folder).take("start", 0)
    except LoopError as error:
        log.warning("%s: no checkpoint was taken: %s", folder.root.name, error.message)


def _is_ours(folder: Path) -> bool:
    """A real folder whose marker names it."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return False
        descriptor = os.open(folder / MARKER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
            return file.read(100).strip() == folder.name
    except OSError:
        return False


def _entries(trash: Path) -> Iterator[tuple[Path, datetime]]:
    """The trash's folders with the time when they came."""
    if trash.is_symlink() or not trash.is_dir():
        return
    for path in trash.iterdir():
        name, _, moment = path.name.partition("-")
        with suppress(ValueError):
            if is_session_id(name):
                yield path, datetime.strptime(moment, _TIME).replace(tzinfo=UTC)


def _erase(folder: Path) -> None:
    """Remove a folder with all below it, through no link; what can't be removed is logged."""
    try:
        if not folder.is_dir():
            return
        with suppress(PermissionError):
            shutil.rmtree(folder)
            return
        _open_up(folder)
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("%s can't be removed: %s", folder, error.strerror)


def _open_up(folder: Path) -> None:
    """Make all folders removable: programs leave read-only ones, such as caches of packages."""
    folder.chmod(0o700)
    for place, names, _ in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)

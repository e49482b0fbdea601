"""Path rules: what a path means once all links are followed, and whether it stays inside a root.

A path can change between the check and its use. Against a hostile program only the sandbox helps.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath

from loopagent.errors import UnsafePathError

_MAX_LINKS = 40
_MAX_PATH_BYTES = 4096
_MAX_NAME_BYTES = 255
# What JavaScript trims, too.
_BLANKS = re.compile(r"\A[\s\ufeff]+|[\s\ufeff]+\Z")
# Where a path ends up that means nothing we can follow: outside of every workspace.
_NOWHERE = PurePosixPath("/")


def resolve_inside(root: Path, path: str, cwd: Path, seen_as: Path | None = None) -> PurePosixPath:
    """The link-free absolute path that `path` means to a program in `cwd`; it never raises.

    It may lie outside of `root`, and need not exist. Programs read odd paths differently (blanks
    around them, other Unicode forms, `~`): where one reading leads outside, that one is given.
    seen_as: what programs in a sandbox call the root, which then is their cwd; so is the result.
    """
    home = PurePosixPath(os.path.realpath(root) if seen_as is None else seen_as)
    plain = unicodedata.normalize("NFC", _BLANKS.sub("", path))
    readings = [
        _real(reading, cwd) if seen_as is None else _seen(reading, root, str(seen_as))
        for reading in dict.fromkeys((plain, path))
    ]
    return next((found for found in readings if not found.is_relative_to(home)), readings[0])


def _seen(path: str, root: Path, seen_as: str) -> PurePosixPath:
    """The same in a sandbox. Only inside the root are links followed: the rest is not ours."""
    real_root = os.path.realpath(root)
    if path.startswith("~") or "\0" in path:
        return _NOWHERE / "~"
    for _ in range(_MAX_LINKS):
        path = "/" + os.path.join(seen_as, path).lstrip("/")  # noqa: PTH118  keeps ".."
        if not f"{path}/".startswith(f"{seen_as}/"):
            path = os.path.normpath(path)
            if not f"{path}/".startswith(f"{seen_as}/"):
                return PurePosixPath(path)
        found = _real(real_root + path.removeprefix(seen_as), root)
        if found.is_relative_to(real_root):
            return PurePosixPath(seen_as) / found.relative_to(real_root)
        path = str(found)
        if not found.is_relative_to(seen_as):
            # It may have climbed out of the root: then it has no name in the sandbox.
            return _NOWHERE if _is_near(found, real_root) else found
    return _NOWHERE


def _is_near(found: PurePosixPath, root: str) -> bool:
    return found.is_relative_to(PurePosixPath(root).parent)


def _real(path: str, cwd: Path) -> PurePosixPath:
    if path.startswith("~"):
        return _NOWHERE / "~"
    try:
        return PurePosixPath(os.path.realpath(os.path.join(cwd, path)))  # noqa: PTH118  keeps ".."
    except (OSError, ValueError, RecursionError):
        # A NUL, a lone surrogate, a chain of too many links.
        return _NOWHERE


def safe_join(root: Path, relative: str) -> Path:
    """The path below `root` that a user's `relative` path names; the file need not exist.

    Raises UnsafePathError for one that is absolute, climbs, is no path at all or leaves by a link.
    """
    check_relative(relative)
    joined = root / relative
    try:
        stays = Path(os.path.realpath(joined)).is_relative_to(os.path.realpath(root))
    except (OSError, ValueError, RecursionError):
        stays = False
    if not stays:
        raise UnsafePathError(
            f"{relative!r} leads out of the workspace by a link. Name a file inside it."
        )
    return joined


def check_relative(relative: str) -> None:
    """Raises UnsafePathError for a path that is absolute, climbs or is no path at all."""
    try:
        encoded = relative.encode()
    except UnicodeEncodeError:
        raise UnsafePathError("The path isn't valid Unicode. Send it as UTF-8.") from None
    if b"\0" in encoded:
        raise UnsafePathError("The path holds a NUL character. Leave it out.")
    if relative.startswith(("/", "~")):
        raise UnsafePathError(f"{relative!r} isn't relative to the workspace. Leave out its start.")
    parts = encoded.split(b"/")
    if b".." in parts:
        raise UnsafePathError(f"{relative!r} climbs with '..'. Name a path below the workspace.")
    if len(encoded) > _MAX_PATH_BYTES or any(len(part) > _MAX_NAME_BYTES for part in parts):
        raise UnsafePathError("The path is too long. Shorten its names.")

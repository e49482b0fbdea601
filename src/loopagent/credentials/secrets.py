"""Keeps the server's secrets out of /proc, where programs of the same user could read them.

What a process is started with stays readable in /proc/PID/environ for as long as it lives. So it
starts itself again at once without those variables, and gets them through a pipe.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence

_DESCRIPTOR = "_LOOP_SECRETS_FD"
# The smallest pipe there is takes that much without a reader.
_MAX_BYTES = 16_000
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_URL_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
# What the interpreter, the libraries and the agents' tools need; none of it is a secret.
_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_\w+|TZ|PWD|TMPDIR|VIRTUAL_ENV"
    r"|PYTHON\w*|COVERAGE_\w+|SSL_CERT_(?:FILE|DIR)|(?:DY)?LD_LIBRARY_PATH|SYSTEMROOT"
)


def hide_secrets(environ: MutableMapping[str, str], argv: Sequence[str]) -> dict[str, str]:
    """All variables, read once the process's own environment holds no secret any more.

    environ: `os.environ`. argv: `sys.orig_argv`. If there are secrets, the process is replaced by
    itself, so call it before anything else is done or imported.
    """
    handed_over = _receive(environ)
    if handed_over is not None:
        return {**environ, **handed_over}
    if not any(_is_secret(name, value) for name, value in environ.items()):
        return dict(environ)
    kept = {k: v for k, v in environ.items() if _KEPT.fullmatch(k) and not _is_secret(k, v)}
    text = json.dumps({k: v for k, v in environ.items() if k not in kept}).encode()
    if len(text) > _MAX_BYTES:
        # Secrets alone are small; the rest may stay where it is.
        kept = {k: v for k, v in environ.items() if not _is_secret(k, v)}
        text = json.dumps({k: v for k, v in environ.items() if k not in kept}).encode()
    if not hasattr(os, "execve") or len(text) > _MAX_BYTES:
        return dict(environ)
    _start_again(argv, kept, text)
    raise AssertionError("a replaced process goes on nowhere")


def forbid_inspection() -> bool:
    """Close this process's memory and environment to others of its user; False if it can't be.

    It does not bind root. It holds for this process, not for those that it starts.
    """
    if sys.platform != "linux":
        return False
    # It takes some milliseconds that other commands need not spend.
    import ctypes  # noqa: PLC0415

    set_dumpable = 4
    try:
        return bool(ctypes.CDLL(None).prctl(set_dumpable, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and bool(_SECRET_NAME.search(name) or _URL_WITH_PASSWORD.search(value))


def _start_again(argv: Sequence[str], environ: Mapping[str, str], text: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    os.set_inheritable(reader, True)
    os.execve(  # noqa: S606  the same program again
        sys.executable,
        [sys.executable, *argv[1:]],
        {**environ, _DESCRIPTOR: str(reader)},
    )


def _receive(environ: MutableMapping[str, str]) -> dict[str, str] | None:
    number = environ.pop(_DESCRIPTOR, "")
    if not number.isdecimal():
        return None
    try:
        with os.fdopen(int(number), "rb") as pipe:
            found = json.loads(pipe.read(_MAX_BYTES + 1))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    return {str(name): str(value) for name, value in found.items()}

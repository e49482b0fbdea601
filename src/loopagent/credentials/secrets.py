"""Keeps secrets out of the server's own start environment.

`/proc/<pid>/environ` shows what a process was started with, for as long as it lives, to every
process of the same user, an agent's commands among them. So the command starts itself once more
without its secrets; they come through a pipe.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from loopagent.errors import SettingsError

_SECRET = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "LOOP_AGENT_PASSWORD", "LOOP_AGENT_TOKEN")
_DESCRIPTOR = "_LOOP_SECRETS_FD"
_PIPE_BYTES = 60_000  # what a pipe holds before anybody reads


def hide_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The whole environment; where it holds secrets, the process is replaced by a clean one.

    Returns only in a process whose start environment holds no secret.
    """
    if _DESCRIPTOR in environ:
        return _taken_over(environ)
    hidden = {name: value for name, value in environ.items() if _is_secret(name, value)}
    if hidden:
        _start_again(environ, hidden)
    return dict(environ)


def _start_again(environ: Mapping[str, str], hidden: dict[str, str]) -> None:
    reader, writer = os.pipe()
    data = json.dumps(hidden).encode()
    if len(data) > _PIPE_BYTES:
        raise SettingsError("The secrets in the environment are over 60 kB. Shorten them.")
    os.write(writer, data)
    os.close(writer)
    os.set_inheritable(reader, True)
    clean = {name: value for name, value in environ.items() if name not in hidden}
    clean[_DESCRIPTOR] = str(reader)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], clean)  # noqa: S606


def _is_secret(name: str, value: str) -> bool:
    if name == "DATABASE_URL":
        return urlsplit(value).password is not None
    return name in _SECRET


def _taken_over(environ: Mapping[str, str]) -> dict[str, str]:
    rest = {name: value for name, value in environ.items() if name != _DESCRIPTOR}
    os.environ.pop(_DESCRIPTOR, None)
    with os.fdopen(int(environ[_DESCRIPTOR]), "rb") as pipe:
        hidden: dict[str, str] = json.loads(pipe.read())
    return rest | hidden

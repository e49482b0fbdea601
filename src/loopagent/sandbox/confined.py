"""Level "confined": Landlock, a filter of system calls and limits; there is nothing to install.

The programs see the machine, but may touch only their own folder and the system's programs, and
connect to the proxy's port alone. As root the server gives each session a user of its own besides.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

from loopagent.errors import AgentError
from loopagent.sandbox import confine, owner, seccomp
from loopagent.sandbox.launcher import ETC, OOM, FileLauncher, LaunchSpec, environment, script
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.program import cli_path
from loopagent.sandbox.sealed import sealed

_PATH = "/usr/local/bin:/usr/bin:/bin"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc")
_ETC = ("group", "hosts", "nsswitch.conf", "passwd", "resolv.conf")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")


class ConfinedLauncher(FileLauncher):
    """programs: the folder of the copies that can't be read; others must be able to pass to it."""

    level = "confined"
    # Landlock knows signals only since Linux 6.12. A user of its own stops them, too.
    excused = frozenset({"the server can be sent signals"})

    def __init__(self, programs: Path, limits: Limits) -> None:
        super().__init__()
        self._programs = programs
        self._limits = limits

    def _text(self, spec: LaunchSpec) -> str:
        code = seccomp.program(datagrams=False)
        if code is None or sys.platform != "linux":
            raise AgentError(
                "launch_failed", "Landlock can't be used here. See `loop-agent doctor`."
            )
        folder = spec.folder
        own = (folder.workspace, folder.config, folder.home, folder.tmp)
        user = owner.user_of(spec.session_id)
        if user is not None:
            owner.own(own, user)
            # Others may pass through to what is theirs, and see no names.
            for place in (folder.workspace.parent, folder.workspace.parent.parent):
                place.chmod(0o711)
        program = sealed(spec.program or cli_path(), self._programs)
        orders = {
            "user": user,
            "limits": self._limits.resources(),
            "writable": [*map(str, own), *_DEVICES],
            "readable": [*_SYSTEM, *(f"/etc/{name}" for name in (*ETC, *_ETC)), str(program)],
            "port": urlsplit(spec.base_url).port,
            "filter": base64.b64encode(code).decode(),
        }
        file = self._keep(spec, ".orders", json.dumps(orders).encode())
        return script(
            spec,
            # Git takes a file that it may not read for a broken one.
            environment(spec, folder) | {"GIT_CONFIG_NOSYSTEM": "1"},
            [sys.executable, "-I", "-S", confine.__file__, str(file), str(program)],
            path=_PATH,
            preface=OOM,
        )

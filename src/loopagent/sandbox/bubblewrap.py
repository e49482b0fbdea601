"""Level "sandbox": bubblewrap shows the programs their own folder, a read-only system, no network.

As root the server lets bubblewrap build the view and then drops to the session's own user. As an
ordinary user it goes by a user namespace, in which the session's user is the server's: there the
copies that can't be read keep the agent's commands away from the agent program.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from loopagent.errors import AgentError
from loopagent.sandbox import owner, seccomp
from loopagent.sandbox.launcher import (
    ETC,
    OOM,
    FileLauncher,
    Folder,
    LaunchSpec,
    Places,
    environment,
    script,
)
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.masks import secret_files
from loopagent.sandbox.program import cli_path, system_program
from loopagent.sandbox.sealed import sealed

INSIDE = Places(
    workspace=Path("/workspace"),
    config=Path("/config"),
    home=Path("/home/agent"),
    tmp=Path("/tmp"),  # noqa: S108  its own, in memory
)
_BASE_URL = "http://127.0.0.1:8089"  # only a name: the requests go to the socket
_SOCKET = "/run/loop/api.sock"
_PROGRAM = "/opt/loop/claude"
_INIT = "/opt/loop/init"
_ENTER = f'cd {INSIDE.workspace} && exec "$0" "$@"'
_PATH = "/usr/local/bin:/usr/bin:/bin"
_USER = 1000  # inside a user namespace
_VIEW, _FILTER, _PASSWD, _GROUP, _HOSTS, _RESOLVER = range(3, 9)

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class BubblewrapLauncher(FileLauncher):
    """programs: the folder of the copies that can't be read."""

    level = "sandbox"
    by_socket = True

    def __init__(self, programs: Path, limits: Limits) -> None:
        super().__init__()
        self._programs = programs
        self._limits = limits

    def inside(self, folder: Folder) -> Folder:
        """The same for every session, on every machine."""
        del folder
        return INSIDE

    def _text(self, spec: LaunchSpec) -> str:
        bubblewrap, limiter = system_program("bwrap"), system_program("prlimit")
        code = seccomp.program()
        if bubblewrap is None or limiter is None or code is None or spec.socket is None:
            raise AgentError(
                "launch_failed", "bubblewrap can't be used here. See `loop-agent doctor`."
            )
        user = owner.user_of(spec.session_id)
        if user is not None:
            folder = spec.folder
            owner.own((folder.workspace, folder.config, folder.home, folder.tmp), user)
            os.chown(spec.socket, user, user)
        view = "\0".join(self._view(spec, user)).encode() + b"\0"
        return script(
            spec,
            environment(spec, INSIDE)
            | {"ANTHROPIC_BASE_URL": _BASE_URL, "ANTHROPIC_UNIX_SOCKET": _SOCKET},
            [
                *(limiter, *self._limits.prlimit()),
                *(bubblewrap, "--args", str(_VIEW), "--seccomp", str(_FILTER)),
                *_begin(user),
            ],
            path=_PATH,
            feeds={
                _VIEW: self._keep(spec, ".view", view),
                _FILTER: self._keep(spec, ".filter", code),
                **_names(_USER if user is None else user),
            },
            preface=OOM,
        )

    def _view(self, spec: LaunchSpec, user: int | None) -> Iterator[str]:
        """What the programs see, from a file: on the command line every process could read it."""
        yield from _ALONE
        if user is None:
            yield from ("--unshare-user", "--uid", str(_USER), "--gid", str(_USER))
            yield from ("--disable-userns", "--cap-drop", "ALL")
        else:
            yield from ("--cap-drop", "ALL")
            # To become the session's user: all are gone before the program starts.
            for right in ("SETUID", "SETGID", "SETPCAP"):
                yield from ("--cap-add", f"CAP_{right}")
        yield from _system()
        yield from ("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys")
        yield from ("--dev", "/dev", "--size", str(64 << 20), "--perms", "1777")
        yield from ("--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
        yield from ("--size", str(self._limits.tmp), "--perms", "1777", "--tmpfs", str(INSIDE.tmp))
        yield from ("--size", str(64 << 20), "--perms", "0755", "--tmpfs", "/run")
        yield from ("--symlink", "/run", "/var/run", "--symlink", "/tmp", "/var/tmp")  # noqa: S108
        for place in ("/home", "/opt", "/opt/loop", "/run/loop"):
            yield from ("--perms", "0755", "--dir", place)
        for name in ("workspace", "config", "home"):
            yield from ("--bind", str(getattr(spec.folder, name)), str(getattr(INSIDE, name)))
        for file in secret_files(spec.folder.workspace):
            yield from ("--ro-bind", "/dev/null", str(INSIDE.workspace / file))
        program = sealed(spec.program or cli_path(), self._programs)
        yield from ("--ro-bind", str(program), _PROGRAM)
        if user is None:
            yield from ("--ro-bind", str(sealed(Path("/bin/sh"), self._programs)), _INIT)
        yield from ("--ro-bind", str(spec.socket), _SOCKET)
        yield from ("--remount-ro", "/run", "--remount-ro", "/", "--chdir", "/")


_ALONE = (
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net"),
    *("--hostname", "loop", "--die-with-parent", "--new-session"),
)


def _begin(user: int | None) -> tuple[str, ...]:
    """How the program is started inside. The first process must be one that can't be read."""
    if user is None:
        # bubblewrap's own first process could be read by the agent: a shell takes its place.
        script = f'cd {INSIDE.workspace} && "$0" "$@"; exit $?'
        return ("--as-pid-1", "--", _INIT, "-c", script, _PROGRAM)
    setpriv = system_program("setpriv") or "setpriv"
    rights = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")
    who = ("--reuid", str(user), "--regid", str(user), "--clear-groups")
    # bubblewrap itself may not enter a folder that is its user's alone.
    return ("--", setpriv, *who, *rights, "--", "/bin/sh", "-c", _ENTER, _PROGRAM)


def _system() -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        place = Path("/", name)
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))
    yield from ("--perms", "0755", "--dir", "/etc")
    for name in ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    for number, name in _FILES.items():
        yield from ("--perms", "0444", "--ro-bind-data", str(number), f"/etc/{name}")


_FILES = {_PASSWD: "passwd", _GROUP: "group", _HOSTS: "hosts", _RESOLVER: "resolv.conf"}


def _names(user: int) -> dict[int, str]:
    """The files that programs look up users and hosts in; there is no name server."""
    return {
        _PASSWD: f"agent:x:{user}:{user}::{INSIDE.home}:/bin/bash\n",
        _GROUP: f"agent:x:{user}:\n",
        _HOSTS: "127.0.0.1 localhost loop\n::1 localhost loop\n",
        _RESOLVER: "",
    }

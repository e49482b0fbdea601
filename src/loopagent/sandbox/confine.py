"""Starts a program confined by Landlock, a filter of system calls and limits; run as a script.

It stays as the program's parent: it passes signals on, and ends whatever the program leaves behind.
It is run by a bare interpreter, so it imports nothing but the standard library.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import resource
import signal
import stat
import struct
import sys
import time
from collections.abc import Iterable
from typing import Any, NoReturn

_SET_PARENT_DEATH_SIGNAL = 1
_SET_DUMPABLE = 4
_SET_SECCOMP = 22
_SECCOMP_FILTER = 2
_SET_SUBREAPER = 36
_SET_NO_NEW_PRIVILEGES = 38

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

_EXECUTE, _WRITE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_SEE = _EXECUTE | _READ_FILE | _READ_FOLDER
# How many rights for files each version of Landlock knows.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_CONNECT, _BOTH_WAYS = 2, 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3

_KEPT = {0, 1, 2, 9}
_GRACE = 5.0
_POLL = 0.05

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Arguments: the file of orders, the program, its own arguments."""
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123  pathlib takes its time to import
        orders = json.load(file)
    with contextlib.suppress(PermissionError):
        os.setsid()
    server = os.getppid()
    _control(_SET_SUBREAPER, 1)
    _control(_SET_DUMPABLE, 0)
    _control(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    told = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    pid = os.fork()
    if pid == 0:
        try:
            _become(orders, sys.argv[2:])
        except OSError as error:
            os.write(2, f"confine: {error}\n".encode())
        os._exit(127)
    os.close(9)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    status = _wait(pid, server, (*told, signal.SIGCHLD))
    _end_the_rest()
    code = os.waitstatus_to_exitcode(status)
    os._exit(128 - code if code < 0 else code)


def _wait(pid: int, server: int, signals: tuple[signal.Signals, ...]) -> int:
    """Pass signals on until the program ends; gives its status."""
    deadline: float | None = None
    while True:
        with contextlib.suppress(ChildProcessError):
            while True:
                found, status = os.waitpid(-1, os.WNOHANG)
                if found == pid:
                    return status
                if found == 0:
                    break
        if os.getppid() != server and deadline is None:
            deadline = time.monotonic() + _GRACE
            os.kill(pid, signal.SIGTERM)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        info = signal.sigtimedwait(signals, _POLL if deadline is not None else _GRACE)
        if info is not None and info.si_signo != signal.SIGCHLD:
            os.kill(pid, info.si_signo)
            deadline = deadline or time.monotonic() + _GRACE


def _end_the_rest() -> None:
    """Daemons come back to us when their parents end: kill them until there are none."""
    deadline = time.monotonic() + _GRACE
    me = os.getpid()
    while time.monotonic() < deadline:
        with open(f"/proc/{me}/task/{me}/children", "rb") as file:  # noqa: PTH123
            left = [int(child) for child in file.read().split()]
        if not left:
            return
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _become(orders: dict[str, Any], command: list[str]) -> NoReturn:
    """Give up everything, and start the program; raises OSError."""
    for name, value in orders["limits"].items():
        number = getattr(resource, name)
        _, most = resource.getrlimit(number)
        limit = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(number, (limit, limit))
    if orders["user"] is not None:
        os.setgroups([])
        os.setresgid(orders["user"], orders["user"], orders["user"])
        os.setresuid(orders["user"], orders["user"], orders["user"])
    _control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    _control(_SET_NO_NEW_PRIVILEGES, 1)
    _confine(orders["writable"], orders["readable"], orders["port"])
    _filter(base64.b64decode(orders["filter"]))
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in _KEPT:
            with contextlib.suppress(OSError):
                os.close(int(name))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(command[0], command)  # noqa: S606  there is no shell on purpose


def _confine(writable: Iterable[str], readable: Iterable[str], port: int) -> None:
    version = _libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        raise OSError(ctypes.get_errno(), "Landlock is not in this kernel")
    rights = (1 << _RIGHTS.get(version, 16)) - 1
    sizes = 1 if version < 4 else 2 if version < 6 else 3
    fields = (rights, _BOTH_WAYS, _ABSTRACT_SOCKETS_AND_SIGNALS)[:sizes]
    attribute = struct.pack(f"={sizes}Q", *fields)
    rules = _call(_CREATE_RULESET, attribute, len(attribute), 0)
    for paths, allowed in ((writable, rights), (readable, _SEE & rights)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                _allow(rules, path, allowed)
    if version >= 4:
        _call(_ADD_RULE, rules, _NET_PORT, struct.pack("=QQ", _CONNECT, port), 0)
    _call(_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, allowed: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= _OF_FILES
        _call(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", allowed, place), 0)
    finally:
        os.close(place)


def _filter(code: bytes) -> None:
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(kept))
    _control(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.create_string_buffer(program, len(program)))


def _control(option: int, *arguments: Any) -> None:
    if _libc.prctl(option, *arguments, *[0] * (4 - len(arguments))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _call(number: int, *arguments: Any) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"system call {number}: {os.strerror(error)}")
    return result


if __name__ == "__main__":
    main()

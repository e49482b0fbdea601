"""The filter of system calls that a session's programs live under, as BPF code.

It is assembled here, since the library for it is not on every machine. The numbers are the
kernel's own and never change. What is not named below stays allowed: development tools need most.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM = 1
_ENOSYS = 38
_EAFNOSUPPORT = 97

_LOAD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_BITS = 0x45
_AND = 0x54
_RETURN = 0x06

_NUMBER, _MACHINE, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
# What the machine calls the other ABI of 64-bit x86: its numbers begin here.
_X32 = 0x40000000

# Mounting, namespaces, other processes' memory, the kernel's own state: none is an agent's business.
_DENIED = (
    "mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "chroot", "unshare", "setns", "bpf", "perf_event_open",
    "userfaultfd", "add_key", "request_key", "keyctl", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "quotactl",
    "quotactl_fd", "syslog", "acct", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "open_by_handle_at", "name_to_handle_at", "fanotify_init", "lookup_dcookie", "vhangup",
    "process_vm_writev", "iopl", "ioperm", "modify_ldt",
)  # fmt: skip
# Programs know what to do without these: what they ask for can't be seen from outside.
_ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")

_NAMESPACES = 0x7E020000  # the flags of clone that make any
_FAMILIES = {"unix": 1, "inet": 2, "inet6": 10, "netlink": 16}
_SOCKET_TYPE = 0xF

_COMMON = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "clone3": 435, "mount_setattr": 442, "quotactl_fd": 443,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
}  # fmt: skip
_X86_64 = _COMMON | {
    "socket": 41, "clone": 56, "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159,
    "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167,
    "swapoff": 168, "reboot": 169, "iopl": 172, "ioperm": 173, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "syslog": 103, "vhangup": 153, "lookup_dcookie": 212,
    "clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
    "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_writev": 311,
    "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = _COMMON | {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51,
    "vhangup": 58, "quotactl": 60, "acct": 89, "unshare": 97, "kexec_load": 104,
    "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116, "reboot": 142,
    "settimeofday": 170, "adjtimex": 171, "socket": 198, "add_key": 217, "request_key": 218,
    "keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225, "perf_event_open": 241,
    "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "process_vm_writev": 271, "finit_module": 273, "bpf": 280,
    "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}


@dataclass(frozen=True, slots=True)
class _Step:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


def program(*, datagrams: bool = True, machine: str | None = None) -> bytes | None:
    """The filter as the kernel reads it; None for a machine that we have no numbers of.

    datagrams: whether IPv4 and IPv6 datagrams may be sent. Where there is no network of their own
    nothing else would stop them.
    """
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    audit, numbers = known
    steps = [
        _Step(_LOAD, _MACHINE),
        _Step(_JUMP_EQUAL, audit, if_true=1),
        _Step(_RETURN, _KILL),
        _Step(_LOAD, _NUMBER),
    ]
    if audit == _MACHINES["x86_64"][0]:
        steps += [_Step(_JUMP_AT_LEAST, _X32, if_false=1), _Step(_RETURN, _ERRNO | _ENOSYS)]
    for names, error in ((_DENIED, _EPERM), (_ABSENT, _ENOSYS)):
        for name in names:
            if name in numbers:
                steps += [
                    _Step(_JUMP_EQUAL, numbers[name], if_false=1),
                    _Step(_RETURN, _ERRNO | error),
                ]
    steps += _clone(numbers["clone"])
    steps += _socket(numbers["socket"], datagrams=datagrams)
    steps.append(_Step(_RETURN, _ALLOW))
    return b"".join(step.packed() for step in steps)


def _clone(number: int) -> Sequence[_Step]:
    """Threads and processes, but no namespaces."""
    return (
        _Step(_JUMP_EQUAL, number, if_false=4),
        _Step(_LOAD, _ARGUMENT_0),
        _Step(_JUMP_BITS, _NAMESPACES, if_false=1),
        _Step(_RETURN, _ERRNO | _EPERM),
        _Step(_RETURN, _ALLOW),
    )


def _socket(number: int, *, datagrams: bool) -> Sequence[_Step]:
    """Sockets of the ordinary families."""
    refused = _Step(_RETURN, _ERRNO | _EAFNOSUPPORT)
    allowed = _Step(_RETURN, _ALLOW)
    internet = [_FAMILIES["inet"], _FAMILIES["inet6"]]
    always = [_FAMILIES["unix"], _FAMILIES["netlink"]]
    steps = [_Step(_LOAD, _ARGUMENT_0)]
    for family in always + (internet if datagrams else []):
        steps += [_Step(_JUMP_EQUAL, family, if_false=1), allowed]
    if not datagrams:
        steps += [
            _Step(_JUMP_EQUAL, internet[0], if_true=2),
            _Step(_JUMP_EQUAL, internet[1], if_true=1),
            refused,
            _Step(_LOAD, _ARGUMENT_1),
            _Step(_AND, _SOCKET_TYPE),
            # Streams alone: raw sockets need a right, but datagrams and the odd ones do not.
            _Step(_JUMP_EQUAL, 1, if_false=1),
            allowed,
        ]
    steps.append(refused)
    return (_Step(_JUMP_EQUAL, number, if_false=len(steps)), *steps)

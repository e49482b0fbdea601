"""The filter of system calls, read as the kernel reads it."""

from __future__ import annotations

import errno
import struct

import pytest

from loopagent.sandbox import seccomp
from loopagent.sandbox.seccomp import program

X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
ALLOW, KILL = 0x7FFF0000, 0x80000000


def denied(number: int) -> int:
    return 0x00050000 | number


def verdict(code: bytes, machine: int, number: int, *arguments: int) -> int:
    """Run the filter on one call."""
    data = struct.pack("=IIQ6Q", number, machine, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", code))
    at, value = 0, 0
    while True:
        operation, if_true, if_false, operand = steps[at]
        at += 1
        match operation:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x54:
                value &= operand
            case 0x06:
                return int(operand)
            case 0x15:
                at += if_true if value == operand else if_false
            case 0x35:
                at += if_true if value >= operand else if_false
            case 0x45:
                at += if_true if value & operand else if_false
            case _:
                raise AssertionError(operation)


@pytest.mark.parametrize(("machine", "audit"), [("x86_64", X86_64), ("aarch64", AARCH64)])
def test_what_an_agent_has_no_business_with_is_refused(machine: str, audit: int) -> None:
    code = program(machine=machine)
    assert code is not None
    numbers = seccomp._MACHINES[machine][1]
    for name in ("mount", "unshare", "setns", "bpf", "keyctl", "kexec_load", "open_by_handle_at"):
        assert verdict(code, audit, numbers[name]) == denied(errno.EPERM), name
    for name in ("clone3", "io_uring_setup"):
        assert verdict(code, audit, numbers[name]) == denied(errno.ENOSYS), name
    assert verdict(code, audit, numbers["clone"], 0x11) == ALLOW
    assert verdict(code, audit, numbers["clone"], 0x10000011) == denied(errno.EPERM)
    assert verdict(code, audit, 9999) == ALLOW
    assert verdict(code, I386, numbers["mount"]) == KILL


def test_the_other_numbers_of_the_same_machine_are_no_way_round() -> None:
    code = program(machine="x86_64")
    assert code is not None
    assert verdict(code, X86_64, 0x40000000 + 165) == denied(errno.ENOSYS)


@pytest.mark.parametrize("datagrams", [True, False])
def test_sockets_are_of_the_ordinary_families(datagrams: bool) -> None:
    code = program(datagrams=datagrams, machine="x86_64")
    assert code is not None

    def opened(family: int, kind: int) -> bool:
        return verdict(code, X86_64, 41, family, kind) == ALLOW

    unix, inet, inet6, netlink, packet, vsock = 1, 2, 10, 16, 17, 40
    stream, datagram, raw = 1, 2, 3
    cloexec = 0x80000
    assert opened(unix, stream)
    assert opened(unix, datagram)
    assert opened(netlink, raw)
    assert opened(inet, stream | cloexec)
    assert opened(inet6, stream)
    assert opened(inet, datagram) is datagrams
    assert opened(inet6, datagram | cloexec) is datagrams
    assert opened(inet, raw) is datagrams
    assert not opened(packet, raw)
    assert not opened(vsock, stream)


def test_a_machine_without_known_numbers_has_no_filter() -> None:
    assert program(machine="sparc64") is None

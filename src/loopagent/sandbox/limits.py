"""What one session may use of the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """memory and disk are of the whole session, and watched; the kernel holds the others.

    data: the memory of one process. tmp: the private /tmp, which is in memory. file: one file.
    """

    memory: int = 4 << 30
    disk: int = 10 << 30
    data: int = 2 << 30
    file: int = 2 << 30
    tmp: int = 512 << 20
    processes: int = 400
    files: int = 4096

    def prlimit(self) -> tuple[str, ...]:
        """The arguments of the program `prlimit`."""
        return (
            f"--nproc={self.processes}",
            f"--nofile={self.files}",
            f"--fsize={self.file}",
            f"--data={self.data}",
            "--core=0",
        )

"""What one session may use of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from loopagent.config import Settings


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

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings have them."""
        return cls(memory=settings.session_memory_mib << 20, disk=settings.session_disk_mib << 20)

    def prlimit(self) -> tuple[str, ...]:
        """The arguments of the program `prlimit`."""
        return (
            f"--nproc={self.processes}",
            f"--nofile={self.files}",
            f"--fsize={self.file}",
            f"--data={self.data}",
            "--core=0",
        )

    def resources(self) -> dict[str, int]:
        """The same by the names of the module `resource`."""
        return {
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_NOFILE": self.files,
            "RLIMIT_FSIZE": self.file,
            "RLIMIT_DATA": self.data,
            "RLIMIT_CORE": 0,
        }

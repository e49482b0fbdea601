"""What a session takes of memory and disk, and which of its processes has to go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopagent.sandbox.usage import folder_size, relieve

MIB = 1 << 20
CHILD = "import sys; kept = b'x' * (int(sys.argv[1]) << 20); print('full', flush=True); sys.stdin.read()"
PARENT = f"""
import subprocess, sys
kept = b"x" * (int(sys.argv[1]) << 20)
children = [
    subprocess.Popen([sys.executable, "-c", {CHILD!r}, size], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for size in sys.argv[2:]
]
for child in children:
    child.stdout.readline()
print(*(child.pid for child in children), flush=True)
sys.stdin.read()
"""


@contextmanager
def family(own: int, *children: int) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process of so many MiB with such children."""
    command = [sys.executable, "-c", PARENT, str(own), *map(str, children)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, [int(pid) for pid in process.stdout.readline().split()]
        process.kill()


def test_the_largest_process_goes_and_the_agent_program_stays() -> None:
    with family(10, 40, 120, 60) as (process, (_, large, _)):
        assert relieve(process.pid, "claude", 2000 * MIB) == 0
        assert relieve(process.pid, "claude", 150 * MIB) == large
        assert process.poll() is None


def test_an_agent_program_that_is_the_largest_goes_itself() -> None:
    with family(200, 10) as (process, _):
        assert relieve(process.pid, "claude", 100 * MIB) == process.pid
        assert process.wait(5) == -9


def test_processes_that_are_gone_take_nothing() -> None:
    with family(1) as (process, _):
        process.kill()
        process.wait(5)
        assert relieve(process.pid, "claude", MIB) == 0


def test_a_folder_is_as_large_as_its_files_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 3 * MIB)
    (tmp_path / "a" / "link").symlink_to("/usr")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert 3 * MIB <= folder_size([tmp_path], 1 << 40) < 4 * MIB
    assert MIB < folder_size([tmp_path / "a", tmp_path], MIB) < 4 * MIB


def test_folders_nested_without_end_count_as_too_much(tmp_path: Path) -> None:
    script = (
        f"cd {tmp_path}; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit; i=$((i+1)); done"
    )
    subprocess.run(["sh", "-c", script], check=True)
    assert folder_size([tmp_path], MIB) == MIB + 1
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)

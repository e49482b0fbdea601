"""The level "confined": what Landlock, the filter and the limits leave to a program."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopagent.errors import AgentError
from loopagent.sandbox.confined import ConfinedLauncher
from loopagent.sandbox.launcher import LaunchSpec
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.owner import user_of
from loopagent.sandbox.processes import marked
from tests.sandbox.places import TOKEN, machine, made, say, spec
from tests.support.process import reachable_folder, until

pytestmark = pytest.mark.landlock


@pytest.fixture
def home() -> Iterator[Path]:
    with reachable_folder() as place:
        yield place


@pytest.fixture
def launcher(home: Path) -> ConfinedLauncher:
    here = machine(home)
    return ConfinedLauncher(here.programs, here.limits)


def test_its_own_folder_is_all_that_can_be_written_to(
    launcher: ConfinedLauncher, home: Path
) -> None:
    folder = made(home / "s")
    (home / "elsewhere").mkdir(mode=0o777)
    script = "for p in . ~ $CLAUDE_CONFIG_DIR $TMPDIR; do echo x >$p/f && echo wrote; done; "
    script += f"echo x >{home}/elsewhere/f; echo x >/tmp/f; cat {__file__}; ls {home}"
    said = say(launcher, spec(folder), script)
    assert said.count("wrote") == 4
    assert said.lower().count("permission denied") == 4
    assert launcher.inside(folder) == folder


def test_programs_of_the_system_run_and_the_token_arrives(
    launcher: ConfinedLauncher, home: Path
) -> None:
    said = say(launcher, spec(made(home / "s")), "cat <&9; ls / | wc -l; env; git --version")
    assert said.startswith(TOKEN)
    assert "git version" in said
    assert "CANARY" not in said


def test_as_root_each_session_has_a_user_of_its_own(launcher: ConfinedLauncher, home: Path) -> None:
    prepared = spec(made(home / "s"))
    user = user_of(prepared.session_id)
    expected = os.geteuid() if user is None else user
    assert say(launcher, prepared, "id -u") == f"{expected}\n"


def test_the_programs_exit_code_is_the_launchers(launcher: ConfinedLauncher, home: Path) -> None:
    path = launcher.prepare(spec(made(home / "s")))
    assert subprocess.run([path, "-c", "exit 7"]).returncode == 7
    assert subprocess.run([path, "-c", "kill -9 $$"]).returncode == 128 + 9


def test_a_signal_reaches_the_program_which_may_end_in_order(
    launcher: ConfinedLauncher, home: Path
) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with _started(launcher, spec(made(home / "s")), script) as process:
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "bye\n"
        assert process.wait(10) == 3


def test_daemons_end_with_the_program(launcher: ConfinedLauncher, home: Path) -> None:
    prepared = spec(made(home / "s"))
    script = "(setsid sleep 61 & setsid sleep 62 &) ; echo ready; read -r line"
    with _started(launcher, prepared, script) as process:
        until(lambda: len(_of(prepared)) >= 3)
        process.communicate("go\n", timeout=10)
    assert not _of(prepared)


def test_all_is_gone_when_the_server_is(launcher: ConfinedLauncher, home: Path) -> None:
    """The launcher's parent is killed, as a server may be."""
    prepared = spec(made(home / "s"))
    script = "(setsid sleep 61 &) ; sleep 62 & echo ready; sleep 63"
    parent = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [os.path.realpath("/usr/bin/env"), "python3", "-c", parent]
    path = launcher.prepare(prepared)
    with subprocess.Popen(
        [*command, str(path), "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        until(lambda: not _of(prepared), 15)


def _started(
    launcher: ConfinedLauncher, prepared: LaunchSpec, script: str
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [launcher.prepare(prepared), "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _of(prepared: LaunchSpec) -> list[int]:
    return [pid for pid, session in marked() if session == prepared.session_id]


def test_a_program_that_does_not_end_is_ended(launcher: ConfinedLauncher, home: Path) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    with _started(launcher, spec(made(home / "s")), script) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 128 + 9
        assert time.monotonic() - began < 10


def test_a_limit_on_open_files_holds(home: Path) -> None:
    launcher = ConfinedLauncher(machine(home).programs, Limits(files=40))
    assert say(launcher, spec(made(home / "s")), "ulimit -n") == "40\n"


def test_a_machine_that_is_not_known_has_no_such_level(
    launcher: ConfinedLauncher, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "sparc64")
    with pytest.raises(AgentError, match="doctor"):
        launcher.prepare(spec(made(home / "s")))

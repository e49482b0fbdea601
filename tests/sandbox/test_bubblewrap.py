"""The level "sandbox": what programs find inside, and what becomes of their folder."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from loopagent.errors import AgentError
from loopagent.sandbox.bubblewrap import INSIDE, BubblewrapLauncher
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.owner import user_of
from loopagent.sandbox.processes import marked, sweep
from loopagent.sandbox.program import system_program
from tests.sandbox.places import TOKEN, machine, made, say, spec
from tests.support.process import until

pytestmark = pytest.mark.bubblewrap


@pytest.fixture
def launcher(tmp_path: Path) -> BubblewrapLauncher:
    here = machine(tmp_path)
    return BubblewrapLauncher(here.programs, here.limits)


def test_the_places_are_the_same_for_every_session(
    launcher: BubblewrapLauncher, tmp_path: Path
) -> None:
    folder = made(tmp_path / "a $(touch harm) 'b'")
    (folder.workspace / "file").write_text("text")
    said = say(launcher, spec(folder), "pwd; cat file; echo $HOME $CLAUDE_CONFIG_DIR $TMPDIR; ls /")
    assert said.splitlines()[:3] == ["/workspace", "text/home/agent /config /tmp", "bin"]
    assert launcher.inside(folder) == INSIDE
    assert str(tmp_path) not in say(launcher, spec(made(tmp_path / "c")), "cat /proc/*/cmdline")


def test_what_is_written_inside_is_in_the_folder(
    launcher: BubblewrapLauncher, tmp_path: Path
) -> None:
    folder = made(tmp_path / "s")
    say(
        launcher,
        spec(folder),
        "echo a >a; echo b >~/b; echo c >$CLAUDE_CONFIG_DIR/c; echo d >/tmp/d",
    )
    assert (folder.workspace / "a").read_text() == "a\n"
    assert (folder.home / "b").read_text() == "b\n"
    assert (folder.config / "c").read_text() == "c\n"
    assert not list(folder.tmp.iterdir())


def test_the_token_comes_by_descriptor_and_no_other_is_open(
    launcher: BubblewrapLauncher, tmp_path: Path
) -> None:
    said = say(launcher, spec(made(tmp_path / "s")), "cat <&9; env; exec 9<&-; ls /proc/self/fd")
    assert said.splitlines()[0] == TOKEN
    assert said.count(TOKEN) == 1
    assert said.split()[-4:] == ["0", "1", "2", "3"]
    assert "CANARY" not in said


def test_the_folder_belongs_to_a_user_of_its_own(
    launcher: BubblewrapLauncher, tmp_path: Path
) -> None:
    folder = made(tmp_path / "s")
    (folder.workspace / "sub").mkdir()
    (folder.workspace / "sub" / "file").write_text("the server's")
    (folder.workspace / "link").symlink_to("/etc/passwd")
    one, other = spec(folder), spec(made(tmp_path / "t"))
    assert say(launcher, one, "echo mine >sub/file; id -u") == f"{_user(one)}\n"
    assert (folder.workspace / "sub" / "file").read_text() == "mine\n"
    assert Path("/etc/passwd").stat().st_uid == 0, "no link is followed"
    if os.geteuid() == 0:
        assert user_of(one.session_id) != user_of(other.session_id)


def _user(prepared: object) -> int:
    user = user_of(prepared.session_id)  # type: ignore[attr-defined]
    return 1000 if user is None else user


def test_secret_files_of_the_workspace_are_masked(
    launcher: BubblewrapLauncher, tmp_path: Path
) -> None:
    folder = made(tmp_path / "s")
    (folder.workspace / "app").mkdir()
    for name in (".env", "app/.env.local", "app/server.key", ".env.example"):
        (folder.workspace / name).write_text(f"secret of {name}\n")
    (folder.workspace / "app" / "id_rsa").symlink_to("/etc/hostname")
    said = say(
        launcher, spec(folder), "cat .env app/.env.local app/server.key .env.example; rm .env"
    )
    assert said.count("secret of") == 1
    assert "secret of .env.example" in said
    assert (folder.workspace / ".env").read_text() == "secret of .env\n"


def test_all_is_gone_when_the_server_is(launcher: BubblewrapLauncher, tmp_path: Path) -> None:
    """Whoever ends the launcher's process ends all that it has started, daemons too."""
    prepared = spec(made(tmp_path / "s"))
    path = launcher.prepare(prepared)
    script = "setsid sleep 61 & sleep 62 & echo started; sleep 63"
    with subprocess.Popen([path, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        until(lambda: len(_of(prepared.session_id)) >= 4)
        process.send_signal(signal.SIGKILL)
    until(lambda: not _of(prepared.session_id), 5)


def test_the_sweep_ends_a_session(launcher: BubblewrapLauncher, tmp_path: Path) -> None:
    prepared = spec(made(tmp_path / "s"))
    path = launcher.prepare(prepared)
    with subprocess.Popen([path, "-c", "setsid sleep 61 & sleep 62"]):
        until(lambda: len(_of(prepared.session_id)) >= 3)
        assert sweep(prepared.session_id) >= 1
    assert not _of(prepared.session_id)
    launcher.forget(prepared.session_id)
    assert not list(tmp_path.glob("s/launch-*"))


def _of(session_id: str) -> list[int]:
    return [pid for pid, owner in marked() if owner == session_id]


@pytest.mark.parametrize("missing", ["bwrap", "prlimit"])
def test_without_its_programs_nothing_is_launched(
    launcher: BubblewrapLauncher,
    tmp_path: Path,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = "loopagent.sandbox.bubblewrap.system_program"
    monkeypatch.setattr(found, lambda name: None if name == missing else system_program(name))
    with pytest.raises(AgentError, match="doctor"):
        launcher.prepare(spec(made(tmp_path / "s")))


def test_a_limit_on_processes_holds(tmp_path: Path) -> None:
    launcher = BubblewrapLauncher(machine(tmp_path).programs, Limits(processes=30))
    script = "i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; echo survived"
    assert "fork" in say(launcher, spec(made(tmp_path / "s")), script).lower()

"""The launcher: what a program finds when it is started through it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopagent.domain.ids import SessionId, new_session_id
from loopagent.errors import AgentError
from loopagent.sandbox import LaunchSpec, PlainLauncher, cli_path, cli_version
from loopagent.sandbox.processes import marked
from loopagent.sandbox.program import _works, lifeline, system_program
from tests.support.process import until

TOKEN = "lag_0123456789-_abcdef"


@dataclass(frozen=True)
class Folder:
    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A place whose name would do harm in a careless shell script."""
    made = Folder(tmp_path / 'it\'s $(touch harm) "ü" \\ `x`\n&')
    for place in (made.workspace, made.config, made.home, made.tmp):
        place.mkdir(parents=True)
    return made


def spec(folder: Folder, **more: object) -> LaunchSpec:
    given: dict[str, object] = {
        "session_id": new_session_id(),
        "folder": folder,
        "base_url": "http://127.0.0.1:1",
        "token": TOKEN,
    }
    return LaunchSpec(**{**given, **more})  # type: ignore[arg-type]


def instead(launcher: Path, program: str) -> Path:
    """The launcher, made to start another program than the real one."""
    real = launcher.read_text()
    assert real.count(str(cli_path())) == 1
    launcher.write_text(real.replace(str(cli_path()), program))
    return launcher


def run(launcher: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    given = {"PATH": os.environ["PATH"]} | (env or {})
    done = subprocess.run(
        [launcher, *arguments], env=given, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout


def environment_of(launcher: Path, **env: str) -> dict[str, str]:
    output = run(instead(launcher, "/usr/bin/env"), "-0", env=env)
    return dict(pair.split("=", 1) for pair in output.split("\0") if pair)


def test_only_the_allowed_variables_get_through(folder: Folder) -> None:
    session_id = new_session_id()
    launcher = PlainLauncher().prepare(spec(folder, session_id=session_id))
    found = environment_of(
        launcher,
        ANTHROPIC_API_KEY="sk-real",
        ANTHROPIC_AUTH_TOKEN="bearer",
        CANARY="1",
        HOME="/root",
        LD_PRELOAD="",
        CLAUDE_AGENT_SDK_VERSION="0.2",
        TRACEPARENT="00-aa bb'c\"$(x)-01",
        CLAUDE_CODE_ENTRYPOINT="other",
    )
    assert found.keys() == {
        "PATH", "HOME", "TMPDIR", "SHELL", "LANG", "TERM", "USER", "LOGNAME", "LOOP_SESSION",
        "ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_TMPDIR",
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_PROJECT_DIR_NAME", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "DISABLE_AUTOUPDATER", "CLAUDE_CODE_MAX_RETRIES", "CLAUDE_ENABLE_BYTE_WATCHDOG",
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS", "CLAUDE_CODE_DISABLE_AUTO_MEMORY",
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "CLAUDE_CODE_DISABLE_WORKFLOWS",
        "CLAUDE_CODE_DISABLE_CRON",
        "CLAUDE_AGENT_SDK_VERSION", "TRACEPARENT",
    }  # fmt: skip
    assert found["HOME"] == str(folder.home)
    assert found["TMPDIR"] == found["CLAUDE_CODE_TMPDIR"] == str(folder.tmp)
    assert found["CLAUDE_CONFIG_DIR"] == str(folder.config)
    assert found["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert found["LOOP_SESSION"] == session_id
    assert found["TRACEPARENT"] == "00-aa bb'c\"$(x)-01"
    assert found["CLAUDE_CODE_ENTRYPOINT"] == "sdk-py"
    assert not Path("harm").exists()


def test_extra_variables_are_added_but_do_not_replace_what_protects(folder: Folder) -> None:
    extra = {"GREETING": "it's\n$HOME", "LANG": "de_DE.UTF-8", "ANTHROPIC_BASE_URL": "http://evil"}
    launcher = PlainLauncher().prepare(spec(folder, extra_env=extra, resume_interrupted=True))
    found = environment_of(launcher)
    assert found["GREETING"] == "it's\n$HOME"
    assert found["LANG"] == "de_DE.UTF-8"
    assert found["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert found["CLAUDE_CODE_RESUME_INTERRUPTED_TURN"] == "1"


def test_the_token_comes_by_descriptor_alone(folder: Folder) -> None:
    prepared = spec(folder)
    launcher = PlainLauncher().prepare(prepared)
    assert TOKEN not in repr(prepared)
    assert TOKEN not in str(environment_of(launcher))
    launcher = instead(PlainLauncher().prepare(prepared), "/bin/cat")
    assert run(launcher, "/dev/fd/9") == f"{TOKEN}\n"


def test_arguments_get_through_as_they_are(folder: Folder) -> None:
    arguments = ["--a b", "", "it's", '"$HOME"', "new\nline", "*", "ü"]
    launcher = instead(PlainLauncher().prepare(spec(folder)), "/usr/bin/printf")
    assert run(launcher, "%s\\0", *arguments) == "".join(f"{text}\0" for text in arguments)


def test_the_file_is_the_owners_alone_and_goes_when_forgotten(folder: Folder) -> None:
    launcher = PlainLauncher()
    first = spec(folder)
    path = launcher.prepare(first)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert launcher.prepare(spec(folder, session_id=first.session_id, token="lag_2")) == path
    assert "lag_2" in path.read_text()
    assert TOKEN not in path.read_text()
    launcher.forget(first.session_id)
    launcher.forget(first.session_id)
    assert {entry.name for entry in folder.root.iterdir()} == {
        "workspace", "config", "home", "tmp"
    }  # fmt: skip


def test_another_place_can_be_named(folder: Folder, tmp_path: Path) -> None:
    assert PlainLauncher().prepare(spec(folder, place=tmp_path)).parent == tmp_path


@pytest.mark.parametrize(
    "odd",
    [
        {"session_id": SessionId("../../x")},
        {"token": "a b"},
        {"token": "a\nb"},
        {"token": ""},
        {"extra_env": {"A B": "x"}},
        {"extra_env": {"A=B": "x"}},
        {"extra_env": {"A": "x\0"}},
        {"place": Path("/proc/no such folder")},
    ],
)
def test_what_cannot_be_launched_safely_is_refused(folder: Folder, odd: dict[str, object]) -> None:
    with pytest.raises(AgentError) as caught:
        PlainLauncher().prepare(spec(folder, **odd))
    assert caught.value.kind == "launch_failed"
    assert sorted(entry.name for entry in folder.root.iterdir()) == [
        "config", "home", "tmp", "workspace"
    ]  # fmt: skip


def test_the_program_is_found_without_the_sdk() -> None:
    code = (
        "import sys; from loopagent.sandbox import cli_path, cli_version\n"
        "assert cli_path().is_file() and cli_version()[0].isdigit()\n"
        "assert not any(name.startswith('claude_agent_sdk') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=20, check=True)


@pytest.mark.parametrize("command", ["/bin/false", "/no/such/program"])
def test_a_tie_that_does_not_work_here_is_left_out(command: str) -> None:
    assert not _works([command])
    assert _works([system_program("env") or ""])


@pytest.mark.slow
def test_the_real_program_starts_through_it(folder: Folder) -> None:
    launcher = PlainLauncher().prepare(spec(folder))
    assert run(launcher, "--version").startswith(cli_version())


PARENT = """
import subprocess, sys
process = subprocess.Popen([sys.argv[1], "60"])
print(process.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(folder: Folder) -> Iterator[subprocess.Popen[str]]:
    """A server that has started a program through a launcher."""
    launcher = instead(PlainLauncher().prepare(spec(folder)), system_program("sleep") or "sleep")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, launcher],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_the_program_dies_with_a_server_that_is_killed(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", 5)
    assert pid in dict(marked())
    parent.kill()
    until(lambda: pid not in dict(marked()), 5)


def test_the_program_is_away_from_the_terminal(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", 5)
    assert os.getsid(pid) == pid
    assert lifeline()

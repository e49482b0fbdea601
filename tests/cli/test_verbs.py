"""The command, as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loopagent.cli.terminal import safe
from tests.support.process import ServerProcess, server_process, until


def command(place: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with the settings of `place`."""
    return subprocess.run(
        [sys.executable, "-m", "loopagent", *words],
        env=place.environment() | {"PORT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_the_version_is_told_without_importing_anything_heavy() -> None:
    code = (
        "import sys; import loopagent.cli.main\n"
        "heavy = {'fastapi', 'sqlalchemy', 'httpx', 'aiohttp', 'claude_agent_sdk', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.strip() == "[]"


def test_text_of_a_model_cannot_steer_the_terminal() -> None:
    assert safe("a\x1b[31mred\x1b[0m\x1b]0;title\x07b\u202e\n\tc\x07") == "aredb\n\tc"


def test_a_wrong_setting_is_one_line_with_the_next_step(tmp_path: Path) -> None:
    place = ServerProcess(tmp_path, LOOP_AGENT_PASWORD="x")
    done = command(place, "serve")
    assert done.returncode == 2
    assert done.stderr == (
        "loop-agent: Unknown setting LOOP_AGENT_PASWORD. Did you mean LOOP_AGENT_PASSWORD?\n"
    )


@pytest.mark.slow
def test_run_needs_no_server_streams_and_says_where_the_session_is(tmp_path: Path) -> None:
    place = ServerProcess(tmp_path)
    done = command(place, "run", "[[text: hello from the script]]")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello from the script\n"
    assert "session sesn_" in done.stderr
    listed = command(place, "ls")
    assert "[[text: hello from the script]]" in listed.stdout


@pytest.mark.slow
def test_the_verbs_use_the_server_that_runs(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        done = command(server, "run", "--json", "[[text: hi]]")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert events[-1]["stop_reason"]["type"] == "end_turn"
        session = json.loads(command(server, "ls", "--json").stdout)["id"]
        assert command(server, "tail", "--no-follow", session).stdout == "hi\n"
        failed = command(server, "run", "--session", session, "[[error: 401]]")
        assert failed.returncode == 1
        assert "ANTHROPIC_API_KEY" in failed.stdout
        assert command(server, "rm", "--yes", session).returncode == 0
        assert command(server, "ls").stdout == ""
        assert command(server, "tail", session).returncode == 2


@pytest.mark.slow
def test_without_a_person_asks_are_denied_unless_all_is_allowed(tmp_path: Path) -> None:
    call = '[[tool: Bash {"command":"touch made"}]] [[text: over]]'
    with server_process(tmp_path) as server:
        assert command(server, "run", call).returncode == 0
        assert not list(server.workspaces.glob("*/workspace/made"))
        assert command(server, "run", "--yes", call).returncode == 0
        assert len(list(server.workspaces.glob("*/workspace/made"))) == 1


def test_the_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    place = ServerProcess(tmp_path)
    assert command(place, "doctor").returncode == 0
    (tmp_path / "data" / "sessions.db").write_text("this is no database" * 100)
    sick = command(place, "doctor")
    assert sick.returncode == 1
    assert "Restore a backup" in sick.stdout


@pytest.mark.slow
def test_messages_are_sent_wait_and_are_taken_out(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        with server.client() as client:
            session = client.post("/api/sessions", json={}).json()["id"]
        assert command(server, "send", session, "[[stream: 3000 @ 50]]").stdout.startswith("sent")
        waiting = command(server, "send", session, "[[text: later]]").stdout.split()
        assert waiting[0] == "waits"
        assert command(server, "queue", session).stdout.split()[:2] == [waiting[1], "queue"]
        assert command(server, "queue", session, "--remove", waiting[1]).stdout == ""
        command(server, "send", session, "--interrupt", "[[text: now]]")
        until(lambda: "now" in command(server, "tail", "--no-follow", session).stdout)
        assert command(server, "stop").returncode == 2

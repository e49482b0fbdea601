"""Stopping: one turn, everything at once, and whatever is left of a session."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.test_verbs import command
from tests.support.process import ServerProcess, processes_of, server_process, until
from tests.support.sessions import (
    ALLOW_ALL,
    assert_sound,
    bash,
    create,
    events,
    last_reason,
    post,
    status,
)
from tests.support.stream import text_of

pytestmark = pytest.mark.slow

DAEMON = "setsid nohup python3 -c 'import time; time.sleep(333)' >/dev/null 2>&1 &"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def is_asked(client: httpx.Client, session: str) -> bool:
    return bool(events(client, session)[-1]["type"] == "span.model_request_start")


def with_mark(server: ServerProcess, mark: str) -> list[int]:
    found = []
    for pid in processes_of(server.workspaces):
        try:
            if mark in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
        except OSError:
            continue
    return found


def test_everything_is_stopped_at_once_and_goes_on_at_once(
    server: ServerProcess, http: httpx.Client
) -> None:
    busy, tasked, calm = create(http), create(http, agent=ALLOW_ALL), create(http)
    post(http, calm, "[[text: hello]]")
    post(http, busy, "[[stream: 3000 @ 50]]")
    job = bash("echo one", 300, run_in_background=True, description="a long job")
    post(http, tasked, f"{job} [[text: the end]]")
    until(lambda: is_asked(http, busy))
    until(lambda: last_reason(http, tasked) == last_reason(http, calm) == "end_turn")
    waiting = post(http, busy, "[[text: afterwards]]")["id"]
    done = command(server, "stop", "--all")
    assert sorted(done.stdout.split()) == sorted(["stopped", busy, "stopped", tasked])
    until(lambda: last_reason(http, busy) == "interrupted")
    until(lambda: not with_mark(server, "sleep(300)"))
    assert status(http, busy)["loop"]["held"] == "turn"
    assert status(http, calm)["loop"]["held"] is None
    queue = http.get(f"/v1/sessions/{busy}/queue").json()["data"]
    assert [queued["id"] for queued in queue] == [waiting], "what waits stays waiting"
    assert sorted(http.post("/api/resume").json()["resumed"]) == sorted([busy, tasked])
    until(lambda: text_of(events(http, busy)).endswith("afterwards"), 20)
    said = [e["content"][0]["text"] for e in events(http, busy) if e["type"] == "user.message"]
    assert len(said) == 3
    assert "left off" in said[1], "the stopped turn goes on before the queue"
    assert status(http, busy)["loop"]["held"] is None
    assert http.post("/api/resume").json()["resumed"] == []
    assert_sound(events(http, busy))


def test_a_process_that_hears_nothing_is_killed_and_the_log_tells_each_step(
    server: ServerProcess, http: httpx.Client
) -> None:
    session = create(http)
    post(http, session, "[[stream: 3000 @ 50]]")
    until(lambda: is_asked(http, session))
    for pid in processes_of(server.workspaces / session):
        os.kill(pid, signal.SIGSTOP)
    http.post(f"/api/sessions/{session}/interrupt")
    until(lambda: last_reason(http, session) == "interrupted", 15)
    idle = events(http, session)[-1]
    steps = idle["loop"]["stop"]["steps"]
    assert [(step["step"], step["worked"]) for step in steps] == [
        ("interrupt", False), ("terminate", False), ("kill", True),
    ]  # fmt: skip
    told = [event["step"] for event in events(http, session, "loop.stopping")]
    assert told == ["terminate", "kill"]
    until(lambda: not processes_of(server.workspaces / session))
    post(http, session, "[[text: still here]]")
    until(lambda: text_of(events(http, session)).endswith("still here"), 20)


def test_a_stop_that_works_says_how_long_it_took(http: httpx.Client) -> None:
    session = create(http)
    post(http, session, "[[stream: 3000 @ 50]]")
    until(lambda: is_asked(http, session))
    http.post(f"/api/sessions/{session}/interrupt")
    until(lambda: last_reason(http, session) == "interrupted")
    (step,) = events(http, session)[-1]["loop"]["stop"]["steps"]
    assert (step["step"], step["worked"]) == ("interrupt", True)
    assert step["ms"] < 3000


def test_a_daemon_ends_with_its_session(server: ServerProcess, http: httpx.Client) -> None:
    session = create(http, agent=ALLOW_ALL)
    post(http, session, f"{bash(DAEMON)} [[text: the end]]")
    until(lambda: last_reason(http, session) == "end_turn")
    until(lambda: with_mark(server, "sleep(333)"))
    http.post(f"/v1/sessions/{session}/archive")
    until(lambda: not with_mark(server, "sleep(333)"))


def test_strays_are_listed_and_ended_on_demand(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client, agent=ALLOW_ALL)
        post(client, session, f"{bash(DAEMON)} [[text: the end]]")
        until(lambda: last_reason(client, session) == "end_turn")
        until(lambda: with_mark(server, "sleep(333)"))
        assert "no process is left" in command(server, "doctor").stdout, "its session is alive"
    server.kill()
    listed = command(server, "doctor").stdout
    assert f"of {session}" in listed
    assert "--end-strays" in listed
    assert "ended" in command(server, "doctor", "--end-strays").stdout
    assert not with_mark(server, "sleep(333)")


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [
        ({"LOOP_AGENT_SILENCE_SECONDS": "1.5"}, "[[wait: 60]]"),
        ({"LOOP_AGENT_TURN_MINUTES": "0.03"}, "[[stream: 3000 @ 20]]"),
    ],
    ids=["silence", "wall clock"],
)
def test_a_limit_ends_the_turn_and_the_next_message_works(
    tmp_path: Path, settings: dict[str, str], prompt: str
) -> None:
    with server_process(tmp_path, **settings) as server, server.client() as client:
        session = create(client)
        post(client, session, prompt)
        until(lambda: last_reason(client, session) == "retries_exhausted", 20)
        (error,) = events(client, session, "session.error")
        assert error["error"]["type"] == "turn_timeout_error"
        post(client, session, "[[text: still here]]")
        until(lambda: text_of(events(client, session)).endswith("still here"), 20)

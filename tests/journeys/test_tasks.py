"""Sub-agents and background commands: they are seen, may be ended, and outlive no process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

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

TASKS = ("loop.task_started", "loop.task_ended")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def tasks_of(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    running: list[dict[str, Any]] = client.get(f"/v1/sessions/{session}/tasks").json()["data"]
    return running


def ended(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    return events(client, session, "loop.task_ended")


def commands(server: ServerProcess, mark: str) -> list[int]:
    """Processes whose command holds a mark."""
    found = []
    for pid in processes_of(server.workspaces):
        try:
            if mark in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_background_command_that_ends_begins_a_turn_of_its_own(http: httpx.Client) -> None:
    session = create(http, agent=ALLOW_ALL)
    job = bash("echo one", 2, run_in_background=True, description="a short job")
    post(http, session, f"{job} [[text: the end]]")
    until(lambda: last_reason(http, session) == "end_turn")
    (task,) = tasks_of(http, session)
    assert (task["kind"], task["description"], task["background"]) == (
        "local_bash", "a short job", True,
    )  # fmt: skip
    assert task["command"].endswith("echo one")
    until(lambda: ended(http, session) and last_reason(http, session) == "end_turn")
    until(lambda: status(http, session)["loop"]["turns"] == 2)
    listed = events(http, session)
    assert tasks_of(http, session) == []
    assert ended(http, session)[0]["status"] == "completed"
    assert "a short job" in text_of(listed)
    costs = [e["loop"]["turn"]["cost_usd"] for e in listed if e["type"] == "session.status_idle"]
    assert all(costs)
    assert status(http, session)["loop"]["cost_usd"] == pytest.approx(sum(costs))
    assert_sound(listed)


def test_one_background_command_is_ended_and_the_other_goes_on(
    server: ServerProcess, http: httpx.Client
) -> None:
    session = create(http, agent=ALLOW_ALL)
    jobs = [bash(f"echo {n}", 100 + n, run_in_background=True, description=str(n)) for n in (1, 2)]
    post(http, session, f"{jobs[0]} {jobs[1]} [[text: the end]]")
    until(lambda: last_reason(http, session) == "end_turn")
    first, second = tasks_of(http, session)
    url = f"/v1/sessions/{session}/tasks"
    assert http.post(f"{url}/{first['task_id']}/stop").status_code == 200
    until(lambda: [t["task_id"] for t in tasks_of(http, session)] == [second["task_id"]])
    until(lambda: not commands(server, "sleep(101)"))
    assert commands(server, "sleep(102)")
    assert http.post(f"{url}/{first['task_id']}/stop").status_code == 404
    assert ended(http, session)[0]["status"] == "stopped"
    assert http.delete(f"/api/sessions/{session}").status_code == 200
    until(lambda: not commands(server, "sleep(102)"))


def test_one_sub_agent_is_ended_and_its_turn_goes_on(http: httpx.Client) -> None:
    session = create(http, agent=ALLOW_ALL)
    post(http, session, "[[agent: [[stream: 3000 @ 20]] ]] [[text: without it]]")
    (task,) = until(lambda: tasks_of(http, session))
    assert (task["kind"], task["background"]) == ("local_agent", False)
    http.post(f"/v1/sessions/{session}/tasks/{task['task_id']}/stop")
    until(lambda: last_reason(http, session) == "end_turn")
    assert text_of(events(http, session)).endswith("without it")


def test_what_a_background_sub_agent_does_hangs_under_its_call(http: httpx.Client) -> None:
    session = create(http, agent=ALLOW_ALL)
    inner = f"[[stream: 20 @ 20]] {bash('echo inner')} [[text: all done]]"
    post(http, session, f"[[background: {inner} ]] [[text: meanwhile]]")
    until(lambda: ended(http, session) and last_reason(http, session) == "end_turn")
    listed = events(http, session)
    call, command = (event for event in listed if event["type"] == "agent.tool_use")
    assert command["loop"]["parent"] == call["id"]
    results = [event for event in listed if event["type"] == "agent.tool_result"]
    assert [r["is_error"] for r in results] == [False, False], "its call outlives the turn"
    assert ended(http, session)[0]["summary"] == "all done"
    assert ended(http, session)[0]["loop"]["parent"] == call["id"]


def test_a_task_ends_with_its_process_and_the_log_says_so(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client, agent=ALLOW_ALL)
        job = bash("echo one", 300, run_in_background=True, description="a long job")
        daemon = bash("setsid nohup python3 -c 'import time; time.sleep(301)' >/dev/null 2>&1 &")
        post(client, session, f"{job} {daemon} [[text: the end]]")
        until(lambda: last_reason(client, session) == "end_turn")
        assert len(tasks_of(client, session)) == 1
        until(lambda: commands(server, "sleep(301)"))
    server.kill()
    server.start()
    until(lambda: not processes_of(server.workspaces))
    with server.client() as client:
        assert tasks_of(client, session) == []
        (last,) = ended(client, session)
        assert "ended with the agent's process" in last["summary"]
        post(client, session, "[[text: still here]]")
        until(lambda: text_of(events(client, session)).endswith("still here"))


def test_a_background_sub_agent_may_ask_after_the_turn_and_be_answered(http: httpx.Client) -> None:
    tools = {**ALLOW_ALL["tools"][0], "configs": [_asks("bash")]}
    session = create(http, agent={**ALLOW_ALL, "tools": [tools]})
    post(http, session, f"[[background: {bash('echo inner')} [[text: all done]] ]] [[text: main]]")
    until(lambda: last_reason(http, session) == "requires_action")
    until(lambda: text_of(events(http, session)) == "main")
    until(lambda: last_reason(http, session) == "requires_action")
    queued = post(http, session, "[[text: queued]]")
    assert queued["processed_at"] is None
    assert http.post(f"/api/sessions/{session}/confirm", json={"allow": True}).status_code == 200
    until(lambda: ended(http, session))
    until(lambda: "queued" in text_of(events(http, session)))
    until(lambda: last_reason(http, session) == "end_turn")
    listed = events(http, session)
    assert ended(http, session)[0]["summary"] == "all done"
    results = [event for event in listed if event["type"] == "agent.tool_result"]
    assert [result["is_error"] for result in results] == [False, False]
    assert_sound(listed)


def test_an_ask_of_a_sub_agent_that_was_ended_is_closed(http: httpx.Client) -> None:
    tools = {**ALLOW_ALL["tools"][0], "configs": [_asks("bash")]}
    session = create(http, agent={**ALLOW_ALL, "tools": [tools]})
    post(http, session, f"[[background: {bash('echo inner')} ]] [[text: main]]")
    until(lambda: text_of(events(http, session)) == "main")
    until(lambda: last_reason(http, session) == "requires_action")
    (task,) = tasks_of(http, session)
    http.post(f"/v1/sessions/{session}/tasks/{task['task_id']}/stop")
    until(lambda: ended(http, session))
    until(lambda: last_reason(http, session) == "end_turn")
    assert status(http, session)["loop"]["asks"] == []
    post(http, session, "[[text: still here]]")
    until(lambda: text_of(events(http, session)).endswith("still here"))


def _asks(name: str) -> dict[str, Any]:
    return {"name": name, "permission_policy": {"type": "always_ask"}}


def test_a_turn_whose_sub_agent_asks_when_its_process_is_lost_is_run_again(
    server: ServerProcess, http: httpx.Client
) -> None:
    toolset = {
        "type": "agent_toolset_20260401",
        "loop": {"configs": [{"name": "agent", "enabled": True}]},
    }
    agent = {"type": "agent_with_overrides", "id": "agent_default", "tools": [toolset]}
    session = create(http, agent=agent)
    post(http, session, f"[[agent: {bash('echo x >> made')} [[text: below]] ]] [[text: done]]")
    until(lambda: last_reason(http, session) == "requires_action")
    first = status(http, session)["loop"]["asks"]
    for pid in processes_of(server.workspaces / session):
        os.kill(pid, signal.SIGKILL)
    until(lambda: status(http, session)["loop"]["asks"] not in ([], first))
    assert http.post(f"/api/sessions/{session}/confirm", json={"allow": True}).status_code == 200
    until(lambda: last_reason(http, session) == "end_turn")
    listed = events(http, session)
    assert_sound(listed)
    assert "done" in text_of(listed)
    assert (server.workspaces / session / "workspace" / "made").read_text() == "x\n"

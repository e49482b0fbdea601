"""Answers that come twice or too late, and a session that goes while it works."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.support.process import processes_of
from tests.support.server import RunningServer

pytestmark = pytest.mark.slow

BASH = json.dumps({"command": "touch made"})


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    with anyio.fail_after(seconds):
        while not (value := await condition()):
            await anyio.sleep(0.02)
        return value


async def asking(http: httpx.AsyncClient) -> tuple[str, str]:
    """A session that waits for an answer, and the id of its ask."""
    prompt = f"[[tool: Bash {BASH}]] [[text: done]]"
    session = str((await http.post("/api/sessions", json={"prompt": prompt})).json()["id"])

    async def asks() -> Any:
        return (await http.get(f"/v1/sessions/{session}/asks")).json()["data"]

    (ask,) = await until(asks)
    return session, str(ask["event_id"])


async def log(http: httpx.AsyncClient, session: str, kind: str) -> list[dict[str, Any]]:
    """The log's events of a kind, or all of them."""
    query = {"limit": 1000} | ({"types[]": kind} if kind else {})
    answer = await http.get(f"/v1/sessions/{session}/events", params=query)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def at_rest(http: httpx.AsyncClient, session: str) -> bool:
    reasons = [e["stop_reason"]["type"] for e in await log(http, session, "session.status_idle")]
    return bool(reasons) and reasons[-1] == "end_turn"


async def test_of_two_answers_to_one_ask_the_first_wins_and_the_second_is_told(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    session, ask = await asking(http)
    path, answers = f"/api/sessions/{session}/confirm", []

    async def answer(allow: bool) -> None:
        answers.append(await http.post(path, json={"allow": allow, "event_id": ask}))

    async with anyio.create_task_group() as both:
        both.start_soon(answer, True)
        both.start_soon(answer, False)
    first, second = sorted(answers, key=lambda one: one.status_code)
    assert (first.status_code, second.status_code) == (200, 409)
    error = second.json()["error"]
    assert error["details"] == {"error_code": "already_answered"}
    assert "already" in error["message"]
    await until(lambda: at_rest(http, session))
    (kept,) = await log(http, session, "user.tool_confirmation")
    assert kept == first.json()
    made = server.services.settings.workspace_root / session / "workspace" / "made"
    assert made.exists() == (kept["result"] == "allow")


async def test_an_answer_to_a_finished_ask_is_refused_and_changes_nothing(
    http: httpx.AsyncClient,
) -> None:
    session, ask = await asking(http)
    path = f"/api/sessions/{session}/confirm"
    assert (await http.post(path, json={"allow": False, "event_id": ask})).status_code == 200
    await until(lambda: at_rest(http, session))
    before = await log(http, session, "")
    late = await http.post(path, json={"allow": True, "event_id": ask})
    assert late.status_code == 409, late.text
    assert late.json()["error"]["details"] == {"error_code": "already_answered"}
    assert await log(http, session, "") == before


async def test_a_session_is_deleted_while_it_runs_with_all_that_belongs_to_it(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    body = {"prompt": "[[stream: 5000 @ 50]]"}
    session = (await http.post("/api/sessions", json=body)).json()["id"]
    place = server.services.settings.workspace_root / session

    async def is_working() -> bool:
        return bool(await log(http, session, "span.model_request_start")) and bool(
            processes_of(place)
        )

    async def is_gone() -> bool:
        return not processes_of(place)

    await until(is_working)
    assert (await http.delete(f"/v1/sessions/{session}")).status_code == 200
    await until(is_gone)
    assert not place.exists()
    for path in (f"/v1/sessions/{session}", f"/v1/sessions/{session}/events"):
        assert (await http.get(path)).status_code == 404
    assert (await http.delete(f"/v1/sessions/{session}")).status_code == 404


async def test_an_agent_of_one_s_own_runs_as_it_was_made(http: httpx.AsyncClient) -> None:
    model = {"id": "claude-opus-5-5", "effort": "high"}
    body = {"name": "Own", "model": model, "system": "Answer in verse.", "metadata": {"a": "b"}}
    made = await http.post("/v1/agents", json=body)
    assert made.status_code == 200, made.text
    start = {"agent": made.json()["id"], "prompt": "[[text: done]]"}
    session = (await http.post("/api/sessions", json=start)).json()["id"]
    await until(lambda: at_rest(http, session))
    assert not await log(http, session, "session.error")
    (told,) = await log(http, session, "agent.message")
    assert told["content"][0]["text"] == "done"

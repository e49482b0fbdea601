"""The short form for curl: a message's answer is its turn, whoever comes and goes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from tests.support.server import RunningServer, running_server
from tests.support.stream import Frame, text_of

pytestmark = pytest.mark.slow


async def create(http: httpx.AsyncClient, **body: Any) -> str:
    answer = await http.post("/api/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def frames(answer: httpx.Response) -> AsyncIterator[Frame]:
    """The frames of an answer, pings left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if fields["event"] != "ping":
            number = int(fields["id"]) if "id" in fields else None
            yield Frame(fields["event"], number, json.loads(fields["data"]))
        fields = {}


async def send(
    http: httpx.AsyncClient, session: str, prompt: str, *, last: int | None = None, **more: Any
) -> list[Frame]:
    """Send a prompt and read its turn to the end; `last` is the Last-Event-ID."""
    headers = {} if last is None else {"last-event-id": str(last)}
    path = f"/api/sessions/{session}/message"
    body = {"prompt": prompt, **more}
    async with http.stream("POST", path, json=body, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [frame async for frame in frames(answer)]


async def log(http: httpx.AsyncClient, session: str) -> list[dict[str, Any]]:
    answer = await http.get(f"/api/sessions/{session}/events")
    listed: list[dict[str, Any]] = answer.json()["data"]
    assert [event["seq"] for event in listed] == list(range(1, len(listed) + 1))
    return listed


def rows(got: list[Frame]) -> list[dict[str, Any]]:
    return [frame.data for frame in got if frame.id is not None]


def reply(got: list[Frame]) -> str:
    return text_of(rows(got))


async def test_a_message_is_answered_by_its_turn(http: httpx.AsyncClient) -> None:
    session = await create(http, title="Short")
    got = await send(http, session, "[[think: hm]] [[stream: 40 @ 100]]")
    assert got[0].event == "user.message"
    assert got[-1].data["stop_reason"]["type"] == "end_turn"
    pieces = [f.data["delta"]["content"]["text"] for f in got if f.event == "event_delta"]
    assert "".join(pieces) == reply(got)
    assert rows(got) == await log(http, session)
    found = (await http.get(f"/api/sessions/{session}")).json()
    assert found["title"] == "Short"
    assert found["status"] == "idle"
    assert found["loop"]["turns"] == 1
    assert float(found["usage"]["list_cost"]["amount"]) == found["loop"]["cost_usd"]


async def test_a_session_may_begin_with_a_prompt(http: httpx.AsyncClient) -> None:
    session = await create(http, prompt="[[text: hello]]", template="plain")
    async with http.stream(
        "GET", f"/api/sessions/{session}/events", headers={"accept": "text/event-stream"}
    ) as answer:
        async for frame in frames(answer):
            if frame.event == "session.status_idle":
                break
    said = (await http.get(f"/api/sessions/{session}/messages")).json()["data"]
    assert [(m["role"], m["text"]) for m in said] == [
        ("user", "[[text: hello]]"),
        ("assistant", "hello"),
    ]


async def test_messages_come_page_by_page(http: httpx.AsyncClient) -> None:
    session = await create(http)
    await send(http, session, "[[text: one]]")
    await send(http, session, "[[text: two]]")
    path = f"/api/sessions/{session}/messages"
    first = (await http.get(path, params={"limit": 3})).json()
    rest = (await http.get(path, params={"after": first["next_after"]})).json()
    assert [m["text"] for m in first["data"]] == ["[[text: one]]", "one", "[[text: two]]"]
    assert [m["text"] for m in rest["data"]] == ["two"]
    assert rest["next_after"] is None


async def test_the_stream_ends_at_a_question_and_goes_on_after_the_answer(
    http: httpx.AsyncClient,
) -> None:
    session = await create(http)
    prompt = '[[tool: Bash {"command":"echo from-the-tool"}]] [[text: done]]'
    asked = await send(http, session, prompt, id="sevt_asking_1")
    assert asked[-1].data["stop_reason"]["type"] == "requires_action"
    asks = (await http.get(f"/v1/sessions/{session}/asks")).json()["data"]
    assert [ask["input"] for ask in asks] == [{"command": "echo from-the-tool"}]
    answered = await http.post(f"/api/sessions/{session}/confirm", json={"allow": True})
    assert answered.json()["type"] == "user.tool_confirmation"
    rest = await send(http, session, prompt, id="sevt_asking_1", last=asked[-1].id)
    assert rest[-1].data["stop_reason"]["type"] == "end_turn"
    assert "done" in reply(rest)
    assert rows(asked) + rows(rest) == await log(http, session)
    again = await http.post(f"/api/sessions/{session}/confirm", json={"allow": True})
    assert again.status_code == 409
    late = {"allow": True, "event_id": asks[0]["event_id"]}
    assert (await http.post(f"/api/sessions/{session}/confirm", json=late)).status_code == 409


async def test_a_denied_tool_tells_the_agent_why(http: httpx.AsyncClient) -> None:
    session = await create(http)
    await send(http, session, '[[tool: Bash {"command":"echo x"}]] [[results]]', id="sevt_deny_1")
    body = {"allow": False, "message": "not today"}
    await http.post(f"/api/sessions/{session}/confirm", json=body)
    rest = await send(http, session, "…", id="sevt_deny_1")
    assert rest[-1].data["stop_reason"]["type"] == "requires_action", "the turn from its beginning"
    rest = await send(http, session, "…", id="sevt_deny_1", last=rest[-1].id)
    assert "not today" in reply(rest)


async def test_a_client_that_comes_back_misses_nothing(http: httpx.AsyncClient) -> None:
    session = await create(http)
    prompt = '[[text: before]] [[tool: Glob {"pattern":"*"}]] [[stream: 60 @ 100]]'
    path = f"/api/sessions/{session}/message"
    body = {"prompt": prompt, "id": "sevt_back_1"}
    seen: list[Frame] = []
    async with http.stream("POST", path, json=body) as answer:
        async for frame in frames(answer):
            seen.append(frame)
            if frame.event == "agent.tool_result":
                break
    rest = await send(http, session, prompt, id="sevt_back_1", last=seen[-1].id)
    assert rows(seen) + rows(rest) == await log(http, session)
    assert len([e for e in await log(http, session) if e["type"] == "user.message"]) == 1


async def test_coming_back_after_the_end_gives_an_empty_stream(http: httpx.AsyncClient) -> None:
    session = await create(http)
    got = await send(http, session, "[[text: hi]]", id="sevt_late_1")
    assert await send(http, session, "[[text: hi]]", id="sevt_late_1", last=got[-1].id) == []
    whole = await send(http, session, "[[text: hi]]", id="sevt_late_1")
    assert rows(whole) == rows(got), "without Last-Event-ID it is told again, and not run again"


async def test_a_message_to_a_busy_session_waits_and_streams_its_own_turn(
    http: httpx.AsyncClient,
) -> None:
    session = await create(http)
    answers: dict[str, list[Frame]] = {}

    async def say(name: str, prompt: str) -> None:
        answers[name] = await send(http, session, prompt)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(say, "first", "[[stream: 100 @ 60]]")
        while (await http.get(f"/api/sessions/{session}")).json()["status"] != "running":
            await anyio.sleep(0.01)
        tasks.start_soon(say, "second", "[[text: second]]")
        while not (await http.get(f"/v1/sessions/{session}/queue")).json()["data"]:
            await anyio.sleep(0.01)
    echo, *turn = answers["second"]
    assert echo.data["processed_at"] is None
    assert turn[0].event == "user.message"
    assert turn[0].data["id"] == echo.data["id"]
    assert reply(turn) == "second"
    assert turn[-1].event == "session.status_idle"
    assert reply(answers["first"]).startswith("w0 w1")


async def test_a_queued_message_can_be_taken_back(http: httpx.AsyncClient) -> None:
    session = await create(http, prompt="[[stream: 2000 @ 50]]")
    message = {"type": "user.message", "content": "later", "id": "sevt_queued_1"}
    path = f"/v1/sessions/{session}"
    await http.post(f"{path}/events", json={"events": [message]})
    assert [m["id"] for m in (await http.get(f"{path}/queue")).json()["data"]] == ["sevt_queued_1"]
    assert (await http.delete(f"{path}/queue/sevt_queued_1")).status_code == 200
    assert (await http.delete(f"{path}/queue/sevt_queued_1")).status_code == 404
    assert (await http.get(f"{path}/queue")).json()["data"] == []
    assert (await http.post(f"/api/sessions/{session}/interrupt")).status_code == 200
    assert (await http.delete(f"/api/sessions/{session}")).status_code == 200


async def test_deleting_a_running_session_ends_it(http: httpx.AsyncClient) -> None:
    session = await create(http, prompt="[[stream: 2000 @ 50]]")
    async with http.stream(
        "GET", f"/api/sessions/{session}/events", headers={"accept": "text/event-stream"}
    ) as answer:
        got = frames(answer)
        async for frame in got:
            if frame.event == "event_delta":
                break
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(http.delete, f"/api/sessions/{session}")
            rest = [frame.event async for frame in got]
    assert rest[-1] == "session.deleted"
    assert (await http.get(f"/api/sessions/{session}")).status_code == 404


async def test_an_empty_answer_can_be_held_back_until_something_happens(
    http: httpx.AsyncClient,
) -> None:
    session = await create(http)
    path = f"/api/sessions/{session}/events"
    nothing = (await http.get(path, params={"wait": 0.05})).json()
    assert nothing == {"data": [], "next_after": 0}
    found: list[Any] = []

    async def wait() -> None:
        found.append((await http.get(path, params={"wait": 20})).json())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await http.post(f"/v1/sessions/{session}", json={"title": "renamed"})
    assert [event["type"] for event in found[0]["data"]] == ["session.updated"]


async def test_a_rejected_key_is_a_401_with_the_next_step(
    server: RunningServer, tmp_path: Any
) -> None:
    async with (
        running_server(tmp_path, model_source="scripted") as scripted,
        running_server(
            tmp_path / "keyed",
            api_key="sk-rejected-by-the-model",
            upstream=scripted.services.upstream.base_url,
        ) as keyed,
        keyed.client() as http,
    ):
        session = await create(http)
        path = f"/api/sessions/{session}/message"
        answer = await http.post(path, json={"prompt": "hello"})
        assert answer.status_code == 401
        error = answer.json()["error"]
        assert error["type"] == "authentication_error"
        assert error["details"] == {"error_code": "api_key_rejected"}
        assert "ANTHROPIC_API_KEY" in error["message"]
        assert answer.headers["x-should-retry"] == "false"
        while (await http.get(f"/api/sessions/{session}")).json()["status"] != "idle":
            await anyio.sleep(0.01)
        assert "session.error" in [event["type"] for event in await log(http, session)]

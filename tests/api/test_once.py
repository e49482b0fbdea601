"""Requests that come twice: done once, answered alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from loopagent.domain.ids import LOCAL_USER
from loopagent.errors import StorageError
from loopagent.storage import idempotency
from loopagent.storage.database import Connection
from loopagent.web.api import once
from tests.support.process import server_process
from tests.support.server import RunningServer
from tests.support.stream import frames, text_of


def keyed(key: str) -> dict[str, str]:
    return {"idempotency-key": key}


def tried(count: int) -> dict[str, str]:
    return {"x-stainless-retry-count": str(count)}


@pytest.fixture
async def session(http: httpx.AsyncClient) -> str:
    return str((await http.post("/api/sessions")).json()["id"])


async def count(http: httpx.AsyncClient, path: str) -> int:
    return len((await http.get(path, params={"limit": 100})).json()["data"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/sessions", {"title": "once"}),
        ("/api/sessions", {"title": "once"}),
        ("/api/sessions", None),
        ("/v1/agents", {"name": "once", "model": "m"}),
        ("/v1/environments", {"name": "once"}),
    ],
)
async def test_what_is_made_twice_with_one_key_is_there_once(
    http: httpx.AsyncClient, path: str, body: Any, request: pytest.FixtureRequest
) -> None:
    key = keyed(request.node.name)
    before = await count(http, path.replace("/api", "/v1"))
    first = await http.post(path, json=body, headers=key)
    second = await http.post(path, json=body, headers=key)
    assert first.is_success
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert await count(http, path.replace("/api", "/v1")) == before + 1


async def test_changes_and_deletions_are_answered_alike(
    http: httpx.AsyncClient, session: str
) -> None:
    path = f"/api/sessions/{session}"
    named = await http.patch(path, json={"title": "one"}, headers=keyed("patch"))
    await http.patch(path, json={"title": "two"})
    again = await http.patch(path, json={"title": "one"}, headers=keyed("patch"))
    assert again.content == named.content
    assert (await http.get(path)).json()["title"] == "two", "it was not done again"
    gone = await http.delete(path, headers=keyed("delete"))
    assert gone.status_code == 200
    again = await http.delete(path, headers=keyed("delete"))
    assert (again.status_code, again.content) == (200, gone.content)
    assert (await http.delete(path)).status_code == 404


@pytest.mark.parametrize("part", ["body", "path", "method"])
async def test_a_key_that_comes_back_with_another_request_is_refused(
    http: httpx.AsyncClient, session: str, part: str
) -> None:
    path, key = f"/v1/sessions/{session}", keyed(f"other {part}")
    first = await http.post(path, json={"title": "one"}, headers=key)
    assert first.status_code == 200
    if part == "body":
        other = await http.post(path, json={"title": "two"}, headers=key)
    elif part == "path":
        other = await http.post("/v1/sessions", json={"title": "one"}, headers=key)
    else:
        other = await http.patch(path.replace("/v1", "/api"), json={"title": "one"}, headers=key)
    assert other.status_code == 422, other.text
    error = other.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["details"] == {"error_code": "idempotency_key_reused"}
    assert "Use a new key" in error["message"]
    again = await http.post(path, json={"title": "one"}, headers=key)
    assert again.content == first.content, "the first use still counts"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel"])
async def test_a_key_that_is_none_is_refused(http: httpx.AsyncClient, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    answer = await http.post("/v1/sessions", json={}, headers=headers)
    assert answer.status_code == 400
    assert "1 to 255 printable" in answer.json()["error"]["message"]


async def test_a_refused_request_leaves_its_key_free(http: httpx.AsyncClient) -> None:
    key = keyed("refused")
    assert (await http.post("/v1/sessions", content=b"{", headers=key)).status_code == 400
    body = {"template": "missing"}
    assert (await http.post("/v1/sessions", json=body, headers=key)).status_code == 400
    assert (await http.post("/v1/sessions", json={}, headers=key)).status_code == 200


async def test_duplicates_at_the_same_time_are_one(http: httpx.AsyncClient) -> None:
    answers: list[httpx.Response] = []

    async def create() -> None:
        body = {"title": "at once"}
        answers.append(await http.post("/v1/sessions", json=body, headers=keyed("at once")))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(create)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_a_first_try_that_takes_too_long_is_told(
    server: RunningServer, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "_WAIT", 0.05)
    begun, go_on = anyio.Event(), anyio.Event()
    create = server.services.workspaces.create

    async def held(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await create(*arguments)

    monkeypatch.setattr(server.services.workspaces, "create", held)
    answers: list[httpx.Response] = []

    async def first() -> None:
        answers.append(await http.post("/v1/sessions", json={}, headers=keyed("slow")))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await begun.wait()
            early = await http.post("/v1/sessions", json={}, headers=keyed("slow"))
            go_on.set()
    assert early.status_code == 409
    assert "still under way" in early.json()["error"]["message"]
    late = await http.post("/v1/sessions", json={}, headers=keyed("slow"))
    assert late.content == answers[0].content


async def test_keys_belong_to_their_owner(server: RunningServer, http: httpx.AsyncClient) -> None:
    mine = await http.post("/v1/sessions", json={}, headers=keyed("shared"))
    found = await server.services.database.read(
        lambda conn: conn.exec_driver_sql(
            "SELECT DISTINCT owner FROM idempotency WHERE key = 'key shared'"
        ).all()
    )
    assert mine.status_code == 200
    assert [row[0] for row in found] == [LOCAL_USER]


async def test_the_same_message_with_one_key_is_stored_once(
    http: httpx.AsyncClient, session: str
) -> None:
    path = f"/v1/sessions/{session}/events"
    body = {"events": [{"type": "user.interrupt"}, {"type": "user.interrupt"}]}
    first = await http.post(path, json=body, headers=keyed("events"))
    again = await http.post(path, json=body, headers=keyed("events"))
    assert again.content == first.content
    assert len({event["id"] for event in first.json()["data"]}) == 2


# -- the official clients' retries ------------------------------------------------------------


async def test_a_retry_of_an_official_client_gets_the_first_answer(
    http: httpx.AsyncClient,
) -> None:
    body = {"title": "retried"}
    first = await http.post("/v1/sessions", json=body, headers=tried(0))
    retry = await http.post("/v1/sessions", json=body, headers=tried(1))
    assert retry.content == first.content
    other = await http.post("/v1/sessions", json={"title": "else"}, headers=tried(1))
    assert other.json()["id"] != first.json()["id"]


async def test_the_same_request_made_anew_is_done_anew(http: httpx.AsyncClient) -> None:
    body = {"title": "twice on purpose"}
    made = [await http.post("/v1/sessions", json=body, headers=tried(0)) for _ in range(2)]
    first, second = (answer.json()["id"] for answer in made)
    assert first != second
    retry = await http.post("/v1/sessions", json=body, headers=tried(2))
    assert retry.json()["id"] == second


async def test_equal_first_tries_at_the_same_time_are_all_done(http: httpx.AsyncClient) -> None:
    made: list[str] = []

    async def create() -> None:
        answer = await http.post("/v1/sessions", json={"title": "all"}, headers=tried(0))
        made.append(answer.json()["id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(create)
    assert len(set(made)) == 4


# -- what a crash leaves ----------------------------------------------------------------------


async def test_a_second_try_after_a_crash_makes_nothing_twice(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    body = {"title": "crash", "template": "plain"}

    async def tried_anew() -> str:
        """Try as after a crash before the answer was kept: the claim with its seed is there."""

        def lose(conn: Connection) -> None:
            conn.exec_driver_sql("DELETE FROM idempotency WHERE key = 'key crash'")
            request = "UPDATE idempotency SET key = 'key crash', status = 0, response = 'the seed'"
            conn.exec_driver_sql(f"{request} WHERE key = 'key spare'")

        await http.post("/v1/sessions", json=body, headers=keyed("spare"))
        await server.services.database.write(lose)
        answer = await http.post("/v1/sessions", json=body, headers=keyed("crash"))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    assert await tried_anew() == await tried_anew()


async def test_an_answer_that_is_too_large_to_keep_is_made_again(
    http: httpx.AsyncClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "_MOST_BYTES", 10)
    path = f"/v1/sessions/{session}/events"
    body = {"events": [{"type": "user.interrupt"}]}
    first = await http.post(path, json=body, headers=keyed("large"))
    again = await http.post(path, json=body, headers=keyed("large"))
    assert again.content == first.content
    assert "idempotent-replayed" not in again.headers
    assert len((await http.get(path)).json()["data"]) == 1


async def test_an_answer_that_can_not_be_kept_is_given_all_the_same(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: Any) -> None:
        raise StorageError("No space is left.")

    monkeypatch.setattr(idempotency, "keep", full)
    first = await http.post("/v1/sessions", json={}, headers=keyed("full"))
    assert first.status_code == 200
    assert "could not be kept: No space is left." in caplog.text
    again = await http.post("/v1/sessions", json={}, headers=keyed("full"))
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.slow
async def test_a_stream_asked_for_twice_is_one_turn(http: httpx.AsyncClient, session: str) -> None:
    path, body = f"/api/sessions/{session}/message", {"prompt": "[[text: said once]]"}
    turns = [(await http.post(path, json=body, headers=keyed("stream"))).text for _ in range(2)]
    rows = [[f.data for f in frames(turn.splitlines()) if f.id] for turn in turns]
    assert rows[0] == rows[1]
    assert text_of(rows[0]) == "said once"
    wrong = await http.post(path, json={"prompt": "other"}, headers=keyed("stream"))
    assert wrong.status_code == 422


@pytest.mark.slow
def test_a_prompt_whose_server_is_killed_runs_once_however_often_it_is_sent(
    tmp_path: Path,
) -> None:
    body = {"prompt": "[[stream: 100 @ 50]]"}
    with server_process(tmp_path) as server:
        with server.client() as client:
            session = client.post("/api/sessions", json={}).json()["id"]
            path = f"/api/sessions/{session}/message"
            with client.stream("POST", path, json=body, headers=keyed("killed")) as answer:
                next(frame for frame in frames(answer.iter_lines()) if frame.event == "event_delta")
                server.kill()
        server.start()
        with server.client() as client:
            with client.stream("POST", path, json=body, headers=keyed("killed")) as answer:
                assert answer.status_code == 200
                *_, last = frames(answer.iter_lines())
            assert last.data["stop_reason"]["type"] == "end_turn"
            events = client.get(f"/v1/sessions/{session}/events?limit=1000").json()["data"]
    assert [event["type"] for event in events].count("user.message") == 1
    assert text_of(events).split() == [f"w{number}" for number in range(100)]

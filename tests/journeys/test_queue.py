"""Messages sent while the agent works: they wait, steer or interrupt, and none is lost or doubled."""

from __future__ import annotations

import json
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
    messages_of,
    post,
)
from tests.support.stream import text_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def queue_of(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/sessions/{session}/queue")
    assert answer.status_code == 200, answer.text
    waiting: list[dict[str, Any]] = answer.json()["data"]
    return waiting


def calls(listed: list[dict[str, Any]]) -> int:
    return sum(event["type"] == "agent.tool_use" for event in listed)


def is_asked(client: httpx.Client, session: str) -> bool:
    """Whether the model is being asked for the present turn."""
    last = events(client, session)[-1]
    return bool(last["type"] == "span.model_request_start")


def at_rest(client: httpx.Client, session: str, reason: str = "end_turn") -> bool:
    return last_reason(client, session) == reason and not queue_of(client, session)


def test_a_steering_message_is_seen_at_the_next_tool_call_of_the_same_turn(
    http: httpx.Client,
) -> None:
    session = create(http, agent=ALLOW_ALL)
    post(http, session, f"{bash('echo one', 2)} {bash('echo two')} [[text: the end]]")
    until(lambda: calls(events(http, session)) == 1)
    sent = post(http, session, "look left", mode="steer")
    assert sent["processed_at"] is None
    assert [q["id"] for q in queue_of(http, session)] == [sent["id"]]
    until(lambda: at_rest(http, session), 20)
    listed = events(http, session)
    kinds = [event["type"] for event in listed]
    assert kinds.count("session.status_idle") == 1, "it is one turn"
    place = next(n for n, event in enumerate(listed) if event["id"] == sent["id"])
    assert "agent.tool_result" in kinds[:place], "it stands where the agent took it"
    assert kinds[place:].count("agent.tool_use") == 1
    assert "look left" in text_of(listed)
    assert_sound(listed)


def test_a_steering_message_that_comes_too_late_is_a_turn_of_its_own(http: httpx.Client) -> None:
    session = create(http)
    post(http, session, "[[stream: 60 @ 40]]")
    until(lambda: is_asked(http, session))
    post(http, session, "[[text: first]]", mode="steer")
    post(http, session, "[[text: second]]", mode="steer")
    until(lambda: len(messages_of(http, session)) == 3 and at_rest(http, session), 20)
    listed = events(http, session)
    assert "second" in text_of(listed)
    assert_sound(listed)


def test_an_interrupting_message_ends_the_turn_and_is_answered_before_all_others(
    http: httpx.Client,
) -> None:
    session = create(http)
    post(http, session, "[[stream: 3000 @ 50]]")
    until(lambda: is_asked(http, session))
    post(http, session, "[[text: later]]")
    post(http, session, "[[text: now]]", mode="interrupt")
    until(lambda: len(messages_of(http, session)) == 3 and at_rest(http, session), 20)
    listed = events(http, session)
    reasons = [e["stop_reason"]["type"] for e in listed if e["type"] == "session.status_idle"]
    assert reasons == ["interrupted", "end_turn", "end_turn"]
    assert text_of(listed).endswith("nowlater")
    assert_sound(listed)


def test_the_queue_is_edited_reordered_hurried_and_cleared(http: httpx.Client) -> None:
    session = create(http)
    post(http, session, "[[stream: 3000 @ 50]]")
    until(lambda: is_asked(http, session))
    a, b, c, d = (post(http, session, f"[[text: {name}]]")["id"] for name in "abcd")
    url = f"/v1/sessions/{session}/queue"
    answer = http.patch(url, json={"order": [c, a]})
    assert [q["id"] for q in answer.json()["data"]] == [c, a, b, d]
    answer = http.patch(f"{url}/{b}", json={"content": "[[text: changed]]"})
    assert answer.json()["data"][2]["content"][0]["text"] == "[[text: changed]]"
    assert http.delete(f"{url}/{d}").status_code == 200
    assert http.delete(f"{url}/{d}").status_code == 404
    http.patch(f"{url}/{b}", json={"mode": "interrupt"})
    until(lambda: at_rest(http, session), 20)
    assert text_of(events(http, session)).endswith("changedca")
    post(http, session, "[[stream: 3000 @ 50]]")
    until(lambda: is_asked(http, session))
    for name in "xyz":
        post(http, session, name)
    assert http.delete(url).json()["removed"] == 3
    assert queue_of(http, session) == []
    assert_sound(events(http, session))


def test_a_steering_message_can_be_taken_back_until_the_agent_has_read_it(
    http: httpx.Client,
) -> None:
    session = create(http, agent=ALLOW_ALL)
    post(http, session, f"{bash('echo one', 2)} {bash('echo two', 2)} [[text: the end]]")
    until(lambda: calls(events(http, session)) == 1)
    url = f"/v1/sessions/{session}/queue"
    kept = post(http, session, "look left", mode="steer")["id"]
    gone = post(http, session, "look right", mode="steer")["id"]
    assert http.patch(f"{url}/{gone}", json={"content": "up"}).status_code == 409
    assert http.delete(f"{url}/{gone}").status_code == 200
    until(lambda: kept in {event["id"] for event in events(http, session)})
    assert http.delete(f"{url}/{kept}").status_code == 404
    until(lambda: at_rest(http, session), 20)
    listed = events(http, session)
    assert gone not in {event["id"] for event in listed}
    assert "look right" not in json.dumps(listed)


@pytest.mark.parametrize("taken", [False, True], ids=["while it waits", "after it was taken"])
def test_killed_around_a_steering_message_it_is_told_once(
    server: ServerProcess, taken: bool
) -> None:
    with server.client() as client:
        session = create(client, agent=ALLOW_ALL)
        post(client, session, f"{bash('echo one', 2)} {bash('echo two', 3)} [[text: the end]]")
        until(lambda: calls(events(client, session)) == 1)
        steer = post(client, session, "look left", mode="steer")["id"]
        queued = post(client, session, "[[recall]]")["id"]
        if taken:
            until(lambda: calls(events(client, session)) == 2)
            assert steer in {event["id"] for event in events(client, session)}
        else:
            assert [q["id"] for q in queue_of(client, session)] == [steer, queued]
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        until(lambda: len(messages_of(client, session)) == 3 and at_rest(client, session), 40)
        listed = events(client, session)
    ids = [event["id"] for event in listed if event["type"] == "user.message"]
    assert ids[1:] == [steer, queued], "in their order, and each once"
    assert_sound(listed)
    transcript = next((server.workspaces / session).glob("config/projects/*/*.jsonl"))
    entries = [json.loads(line) for line in transcript.read_text().splitlines() if line]
    prompts = [entry.get("attachment", {}).get("prompt") for entry in entries]
    told = [prompt for prompt in prompts if "look left" in json.dumps(prompt)]
    assert len(told) == 1, "the model was told once"


def test_the_order_of_the_queue_survives_a_kill(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[stream: 100 @ 50]]")
        until(lambda: is_asked(client, session))
        a, b, c = (post(client, session, f"[[text: {name}]]")["id"] for name in "abc")
        client.patch(f"/v1/sessions/{session}/queue", json={"order": [c, b, a]})
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        until(lambda: len(messages_of(client, session)) == 4 and at_rest(client, session), 30)
        listed = events(client, session)
    assert messages_of_ids(listed)[1:] == [c, b, a]
    assert_sound(listed)


def messages_of_ids(listed: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in listed if event["type"] == "user.message"]

"""One session from its beginning to its end, with the real command line program of the SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.process import (
    ServerProcess,
    processes_of,
    reachable_folder,
    server_process,
    until,
)
from tests.support.stream import Frame, frames, text_of

pytestmark = pytest.mark.slow

STATUSES = {
    "session.status_idle",
    "session.status_running",
    "session.status_rescheduled",
}
WORDS = [f"w{number}" for number in range(200)]


ASKING = {
    "type": "agent_with_overrides",
    "id": "agent_default",
    "tools": [
        {
            "type": "agent_toolset_20260401",
            "configs": [{"name": "bash", "permission_policy": {"type": "always_ask"}}],
        }
    ],
}


@pytest.fixture(
    params=[
        "none",
        pytest.param("confined", marks=pytest.mark.landlock),
        pytest.param("sandbox", marks=pytest.mark.bubblewrap),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server at each level of isolation: all that a session can do, it can do in each."""
    with (
        reachable_folder() as home,
        server_process(home, LOOP_AGENT_ISOLATION=request.param) as running,
    ):
        yield running


def create(client: httpx.Client, **body: Any) -> str:
    answer = client.post("/api/sessions", json=body)
    assert answer.status_code < 300, answer.text
    return str(answer.json()["id"])


def send(client: httpx.Client, session: str, prompt: str, **more: Any) -> list[Frame]:
    """Send a prompt and read its turn to the end."""
    body = {"prompt": prompt, **more}
    with client.stream("POST", f"/api/sessions/{session}/message", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        return list(frames(answer.iter_lines()))


def events(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/sessions/{session}/events", params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def status(client: httpx.Client, session: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/sessions/{session}").json()
    return found


def last_reason(client: httpx.Client, session: str) -> str | None:
    """Why the session is idle; None while it runs."""
    said = [event for event in events(client, session) if event["type"] in STATUSES]
    if said and said[-1]["type"] == "session.status_idle":
        return str(said[-1]["stop_reason"]["type"])
    return None


def assert_sound(listed: list[dict[str, Any]]) -> None:
    """No event is lost, doubled or out of order."""
    assert [event["seq"] for event in listed] == list(range(1, len(listed) + 1))
    assert len({event["id"] for event in listed}) == len(listed)


def test_a_new_session_has_a_workspace_and_answers_live(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        assert (server.workspaces / session / "workspace").is_dir()
        got = send(client, session, "[[stream: 40 @ 100]]")
    pieces = [f.data["delta"]["content"]["text"] for f in got if f.event == "event_delta"]
    (message,) = [f.data for f in got if f.event == "agent.message"]
    assert len(pieces) > 5, "it came in pieces"
    assert "".join(pieces) == text_of([message])
    assert got[-1].data["stop_reason"]["type"] == "end_turn"
    assert [f.id for f in got if f.id] == sorted(f.id for f in got if f.id)


def test_a_follow_up_goes_on_in_the_same_conversation(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the word heron [[text: ok]]")
        got = send(client, session, "[[recall]]")
        assert "heron" in text_of(f.data for f in got if f.event == "agent.message")
        assert_sound(events(client, session))


def test_after_a_restart_the_session_is_there_and_goes_on(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the word heron [[text: ok]]")
        before = events(client, session)
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        assert events(client, session) == before
        got = send(client, session, "[[recall]]")
        assert "heron" in text_of(f.data for f in got if f.event == "agent.message")


def test_deleting_removes_the_workspace_the_config_and_the_processes(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        send(client, session, "[[text: hello]]")
        assert processes_of(server.workspaces / session)
        assert client.delete(f"/api/sessions/{session}").status_code == 200
        assert client.get(f"/api/sessions/{session}").status_code == 404
    assert not (server.workspaces / session).exists()
    until(lambda: not processes_of(server.workspaces / session))


def test_a_message_sent_while_a_turn_runs_waits_for_its_turn(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        first = {"events": [message("[[stream: 60 @ 60]]")]}
        second = {"events": [message("[[text: second]]")]}
        client.post(f"/v1/sessions/{session}/events", json=first)
        queued = client.post(f"/v1/sessions/{session}/events", json=second).json()["data"][0]
        assert queued["processed_at"] is None
        until(lambda: "second" in text_of(events(client, session)))
        until(lambda: status(client, session)["status"] == "idle")
        listed = events(client, session)
    kinds = [event["type"] for event in listed]
    assert kinds.count("user.message") == 2
    assert kinds.index("session.status_idle") < len(kinds) - 1 - kinds[::-1].index("user.message")
    assert_sound(listed)


def test_an_interrupt_ends_the_turn_and_the_next_message_works(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        client.post(
            f"/v1/sessions/{session}/events",
            json={"events": [message("[[stream: 2000 @ 50]]")]},
        )
        until(lambda: draft_of(client, session))
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted", 5)
        got = send(client, session, "[[text: still here]]")
        assert got[-1].data["stop_reason"]["type"] == "end_turn"
        assert_sound(events(client, session))


def message(text: str) -> dict[str, Any]:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def draft_of(client: httpx.Client, session: str) -> str:
    """The text that is being written, as a late viewer gets it."""
    params = {"event_deltas[]": "agent.message"}
    with client.stream("GET", f"/v1/sessions/{session}/events/stream", params=params) as answer:
        for frame in frames(answer.iter_lines()):
            if frame.event == "event_delta":
                return str(frame.data["delta"]["content"]["text"])
            if frame.event == "agent.message":
                return text_of([frame.data])
    return ""


# -- kill -9 of the server -------------------------------------------------------------------


def test_killed_in_mid_text_the_reply_is_whole_afterwards(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        client.post(
            f"/v1/sessions/{session}/events", json={"events": [message("[[stream: 200 @ 50]]")]}
        )
        until(lambda: len(draft_of(client, session)) > 50)
        time.sleep(1.2)  # the draft is saved at most once a second
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        assert draft_of(client, session).startswith("w0 w1 ")
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert text_of(listed).split() == WORDS, "nothing is lost and nothing is doubled"
    kinds = [event["type"] for event in listed]
    assert kinds.count("user.message") == 1
    assert kinds.count("session.status_rescheduled") == 1


def test_killed_in_a_tool_the_turn_goes_on_and_nothing_is_left_running(
    server: ServerProcess,
) -> None:
    command = "python3 -c 'import time; time.sleep(3)'; echo finished"
    tool = json.dumps({"command": command})
    with server.client() as client:
        session = create(client, agent=ASKING)
        client.post(
            f"/v1/sessions/{session}/events",
            json={"events": [message(f"[[tool: Bash {tool}]] [[text: after the tool]]")]},
        )
        until(lambda: last_reason(client, session) == "requires_action")
        client.post(f"/api/sessions/{session}/confirm", json={"allow": True})
        until(lambda: is_running(server, "time.sleep(3)"))
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        until(lambda: last_reason(client, session) in {"end_turn", "requires_action"}, 20)
        if last_reason(client, session) == "requires_action":
            client.post(f"/api/sessions/{session}/confirm", json={"allow": True})
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    kinds = [event["type"] for event in listed]
    assert kinds.count("agent.tool_use") == 1
    assert kinds.count("agent.tool_result") == 1
    assert text_of(listed) == "after the tool"


def is_running(server: ServerProcess, command: str) -> bool:
    for pid in processes_of(server.workspaces):
        try:
            if command in Path(f"/proc/{pid}/cmdline").read_text():
                return True
        except OSError:
            continue
    return False


def test_killed_with_an_ask_open_the_ask_is_still_there_and_its_answer_counts(
    server: ServerProcess,
) -> None:
    tool = json.dumps({"command": "touch made-by-the-agent"})
    with server.client() as client:
        session = create(client, agent=ASKING)
        client.post(
            f"/v1/sessions/{session}/events",
            json={"events": [message(f"[[tool: Bash {tool}]] [[text: done]]")]},
        )
        until(lambda: last_reason(client, session) == "requires_action")
        # The end of the model's request may be told after the ask.
        until(lambda: "span.model_request_end" in {e["type"] for e in events(client, session)})
        before = events(client, session)
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        assert events(client, session) == before
        answer = client.post(f"/api/sessions/{session}/confirm", json={"allow": True})
        assert answer.status_code == 200, answer.text
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert [event["type"] for event in listed].count("agent.tool_use") == 1
    assert (server.workspaces / session / "workspace" / "made-by-the-agent").exists()
    assert text_of(listed) == "done"


def test_a_client_that_drops_in_mid_turn_comes_back_and_misses_nothing(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        body = {"prompt": "[[stream: 200 @ 100]]"}
        seen: list[Frame] = []
        with client.stream("POST", f"/api/sessions/{session}/message", json=body) as answer:
            for frame in frames(answer.iter_lines()):
                seen.append(frame)
                if sum(f.event == "event_delta" for f in seen) > 10:
                    break
        last = max(frame.id for frame in seen if frame.id)
        headers = {"Last-Event-ID": str(last), "Accept": "text/event-stream"}
        with client.stream("GET", f"/api/sessions/{session}/events", headers=headers) as answer:
            for frame in frames(answer.iter_lines()):
                seen.append(frame)
                if frame.event == "session.status_idle":
                    break
        listed = events(client, session)
    rows = [frame.data for frame in seen if frame.id]
    assert rows == listed, "every event once, in order, byte for byte"
    assert text_of(rows).split() == WORDS

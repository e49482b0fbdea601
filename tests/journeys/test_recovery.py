"""What becomes of turns whose process is lost, and of asks that wait for long."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.test_session import (
    assert_sound,
    create,
    draft_of,
    events,
    last_reason,
    message,
    send,
    status,
)
from tests.support.process import ServerProcess, processes_of, server_process, until
from tests.support.stream import text_of

pytestmark = pytest.mark.slow

# Shorter than any test: what waits for an answer is ended at once.
AT_ONCE = "0.0001"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(
        tmp_path, LOOP_AGENT_LIMIT_PAUSE_SECONDS="0.2", LOOP_AGENT_ISOLATION="none"
    ) as running:
        yield running


def post(client: httpx.Client, session: str, prompt: str) -> None:
    answer = client.post(f"/v1/sessions/{session}/events", json={"events": [message(prompt)]})
    assert answer.status_code == 200, answer.text


def bash(command: str) -> str:
    return f"[[tool: Bash {json.dumps({'command': command})}]]"


def kinds(listed: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in listed]


def of_kind(listed: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in listed if event["type"] == kind]


# -- asks ------------------------------------------------------------------------------------


def test_a_process_that_waits_for_an_answer_is_ended_and_the_ask_stays_open(
    tmp_path: Path,
) -> None:
    with (
        server_process(
            tmp_path, LOOP_AGENT_ASK_MINUTES=AT_ONCE, LOOP_AGENT_ISOLATION="none"
        ) as server,
        server.client() as client,
    ):
        session = create(client)
        post(client, session, f"{bash('echo x >> made')} [[text: done]]")
        until(lambda: last_reason(client, session) == "requires_action")
        until(lambda: not processes_of(server.workspaces / session), 15)
        before = events(client, session)
        answer = client.post(f"/api/sessions/{session}/confirm", json={"allow": True})
        assert answer.status_code == 200
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert listed[: len(before)] == before
    assert_sound(listed)
    assert text_of(listed) == "done"
    assert (server.workspaces / session / "workspace" / "made").read_text() == "x\n"
    # The call itself waited: the model was not asked for it a second time.
    assert kinds(listed).count("span.model_request_start") == 2
    assert "session.status_rescheduled" not in kinds(listed)


def test_a_denial_reaches_the_agent_after_a_restart_of_the_server(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, f"{bash('touch made')} [[results]]")
        until(lambda: last_reason(client, session) == "requires_action")
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        body = {"allow": False, "message": "not today"}
        assert client.post(f"/api/sessions/{session}/confirm", json=body).status_code == 200
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert "not today" in text_of(listed)
    assert not (server.workspaces / session / "workspace" / "made").exists()


def test_a_question_can_be_answered_after_a_kill(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[ask: Which colour? | red | blue]] [[results]]")
        until(lambda: last_reason(client, session) == "requires_action")
        ask = client.get(f"/v1/sessions/{session}/asks").json()["data"][0]
        server.kill()
        until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        updated = {**ask["input"], "answers": {"Which colour?": "blue"}}
        confirmation = {
            "type": "user.tool_confirmation",
            "tool_use_id": ask["event_id"],
            "result": "allow",
            "loop": {"updated_input": updated},
        }
        sent = client.post(f"/v1/sessions/{session}/events", json={"events": [confirmation]})
        assert sent.status_code == 200, sent.text
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert "blue" in text_of(listed)


def test_two_parallel_asks_survive_a_kill_and_both_answers_count(server: ServerProcess) -> None:
    calls = [{"name": "Bash", "input": {"command": f"touch made{n}"}} for n in (1, 2)]
    with server.client() as client:
        session = create(client)
        post(client, session, f"[[tools: {json.dumps(calls)}]] [[text: done]]")
        until(lambda: len(asks_of(client, session)) == 2)
        server.kill()
        until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        for ask in asks_of(client, session):
            body = {"allow": True, "event_id": ask["event_id"]}
            assert client.post(f"/api/sessions/{session}/confirm", json=body).status_code == 200
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    made = {path.name for path in (server.workspaces / session / "workspace").iterdir()}
    assert {"made1", "made2"} <= made
    assert kinds(listed).count("agent.tool_use") == 2


def asks_of(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/v1/sessions/{session}/asks").json()["data"]
    return found


def test_an_interrupt_ends_a_turn_whose_process_was_ended_while_it_waited(
    tmp_path: Path,
) -> None:
    with (
        server_process(
            tmp_path, LOOP_AGENT_ASK_MINUTES=AT_ONCE, LOOP_AGENT_ISOLATION="none"
        ) as server,
        server.client() as client,
    ):
        session = create(client)
        post(client, session, f"{bash('touch made')} [[text: done]]")
        until(lambda: last_reason(client, session) == "requires_action")
        until(lambda: not processes_of(server.workspaces / session), 15)
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted")
        assert asks_of(client, session) == []
        got = send(client, session, "[[text: still here]]")
        assert got[-1].data["stop_reason"]["type"] == "end_turn"


# -- the policy ------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["never", "ask"])
def test_a_lost_turn_stays_interrupted_with_its_reason_until_somebody_resumes_it(
    server: ServerProcess, policy: str
) -> None:
    with server.client() as client:
        created = client.post("/api/sessions", json={"recovery": policy})
        session = created.json()["id"]
        assert created.json()["loop"]["recovery"] == policy
        post(client, session, "[[stream: 200 @ 100]]")
        until(lambda: len(draft_of(client, session)) > 20)
        until(lambda: status(client, session)["status"] == "running")
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    server.start()
    with server.client() as client:
        until(lambda: last_reason(client, session) == "interrupted")
        ended = events(client, session)[-1]
        assert ended["loop"]["cut"]["reason"] == "server_stopped"
        assert "session.status_rescheduled" not in kinds(events(client, session))
        assert client.post(f"/api/sessions/{session}/resume").status_code == 200
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
        again = client.post(f"/api/sessions/{session}/resume")
    assert again.status_code == 409
    assert "Send a message" in again.json()["error"]["message"]
    assert_sound(listed)
    assert kinds(listed).count("user.message") == 1
    assert text_of(listed).endswith("w199")
    assert of_kind(listed, "session.status_rescheduled")[0]["loop"]["by"]


def test_a_crashed_process_is_started_again_and_the_log_says_why(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[stream: 100 @ 50]]")
        until(lambda: draft_of(client, session))
        kill_agents(server, session)
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    again = of_kind(listed, "session.status_rescheduled")[0]["loop"]
    assert (again["reason"], again["attempt"]) == ("process_crashed_error", 1)
    assert text_of(listed).split()[-1] == "w99"


def test_a_turn_that_crashes_again_and_again_is_given_up(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[wait: 30]]")
        for attempt in range(1, 4):
            until(lambda: processes_of(server.workspaces / session), 20)
            until(lambda: status(client, session)["status"] == "running", 20)
            kill_agents(server, session)
            until(
                lambda n=attempt: (
                    kinds(events(client, session)).count("session.status_rescheduled") == n
                ),
                20,
            )
            if attempt == 2:  # the third pause is long, and so would be the fourth crash
                break
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted", 20)


def kill_agents(server: ServerProcess, session: str) -> None:
    for pid in processes_of(server.workspaces / session):
        os.kill(pid, signal.SIGKILL)


# -- limits of the model's API ---------------------------------------------------------------


def test_a_rate_limit_parks_the_turn_until_its_end_and_then_it_goes_on(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[error: 429 retry-after=600 times=1]] [[text: at last]]")
        until(lambda: status(client, session)["status"] == "rescheduling", 20)
        parked = of_kind(events(client, session), "session.status_rescheduled")[-1]["loop"]
        assert parked["reason"] == "model_rate_limited_error"
        assert parked["resumes_at"]
        until(lambda: not processes_of(server.workspaces / session), 15)
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted")
        assert client.post(f"/api/sessions/{session}/resume").status_code == 200
        until(lambda: last_reason(client, session) == "end_turn", 20)
        assert_sound(events(client, session))


# -- the agent's own record ------------------------------------------------------------------


def records_of(server: ServerProcess, session: str) -> list[Path]:
    return list((server.workspaces / session / "config").rglob("*.jsonl"))


def test_without_its_record_the_agent_goes_on_from_a_summary_of_the_log(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the heron [[text: I will]]")
    assert server.stop() == 0
    for path in records_of(server, session):
        path.unlink()
    server.start()
    with server.client() as client:
        got = send(client, session, "[[recall]]")
        told = [frame.data for frame in got if frame.event == "session.error"]
        assert [error["error"]["type"] for error in told] == ["record_lost_error"]
        assert got[-1].data["stop_reason"]["type"] == "end_turn"
        # From now on it has a record again, which begins with the summary.
        got = send(client, session, "[[recall]]")
        assert "heron" in text_of(frame.data for frame in got if frame.event == "agent.message")
        assert "session.error" not in {frame.event for frame in got}
        assert_sound(events(client, session))


def test_a_record_that_cannot_be_resumed_from_is_set_aside_and_the_turn_still_runs(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the heron [[text: I will]]")
    assert server.stop() == 0
    for path in records_of(server, session):
        path.write_text('{"type":"user"} and then nothing that makes sense\n')
    server.start()
    with server.client() as client:
        post(client, session, "[[text: here I am]]")
        until(lambda: last_reason(client, session) == "end_turn", 40)
        listed = events(client, session)
    assert_sound(listed)
    assert "here I am" in text_of(listed)
    reasons = [event["loop"]["reason"] for event in of_kind(listed, "session.status_rescheduled")]
    assert reasons == ["resume_failed_error"] * 2


def test_a_message_that_the_api_refuses_does_not_poison_the_session(server: ServerProcess) -> None:
    refusal = '[[error: 400 type=invalid_request_error message="image exceeds 5 MB maximum"]]'
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the heron [[text: I will]]")
        got = send(client, session, f"the too large image {refusal}")
        errors = [frame.data["error"] for frame in got if frame.event == "session.error"]
        assert errors[-1]["type"] == "message_rejected_error"
        assert "too large" in errors[-1]["message"]
        got = send(client, session, "[[recall]]")
        recalled = text_of(frame.data for frame in got if frame.event == "agent.message")
        assert "heron" in recalled
        assert "too large image" not in recalled
        assert_sound(events(client, session))


def test_a_conversation_that_is_refused_again_goes_on_from_a_summary(
    server: ServerProcess,
) -> None:
    refusal = "[[error: 400 type=invalid_request_error]]"
    with server.client() as client:
        session = create(client)
        send(client, session, "remember the heron [[text: I will]]")
        send(client, session, refusal)
        send(client, session, refusal)
        got = send(client, session, "[[text: fine again]]")
        told = [frame.data["error"]["type"] for frame in got if frame.event == "session.error"]
        assert told == ["record_lost_error"]
        assert got[-1].data["stop_reason"]["type"] == "end_turn"
        assert_sound(events(client, session))

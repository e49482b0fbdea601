"""What comes in at the very moment in which a process is lost: answers, interrupts, messages."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from loopagent.cli.chaos.killer import is_cli
from tests.journeys.test_session import (
    assert_sound,
    create,
    draft_of,
    events,
    last_reason,
    message,
)
from tests.support.process import ServerProcess, processes_of, server_process, until
from tests.support.stream import text_of

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path, LOOP_AGENT_ISOLATION="none") as running:
        yield running


def post(client: httpx.Client, session: str, prompt: str) -> None:
    answer = client.post(f"/v1/sessions/{session}/events", json={"events": [message(prompt)]})
    assert answer.status_code == 200, answer.text


def bash(command: str) -> str:
    return f"[[tool: Bash {json.dumps({'command': command})}]]"


def kill_cli(server: ServerProcess, session: str) -> None:
    (pid,) = [pid for pid in processes_of(server.workspaces / session) if is_cli(pid)]
    os.kill(pid, signal.SIGKILL)


def kinds(client: httpx.Client, session: str) -> list[str]:
    return [event["type"] for event in events(client, session)]


def test_an_answer_given_while_the_process_dies_counts(server: ServerProcess) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, f"{bash('echo x >> made')} [[text: done]]")
        until(lambda: last_reason(client, session) == "requires_action")
        kill_cli(server, session)
        assert client.post(f"/api/sessions/{session}/confirm", json={"allow": True}).is_success
        until(lambda: last_reason(client, session) == "end_turn", 20)
        assert text_of(events(client, session)) == "done"
    assert (server.workspaces / session / "workspace" / "made").read_text() == "x\n"


def test_a_call_that_an_interrupt_cut_has_a_result_although_no_process_is_there(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, f"{bash('echo x >> made')} [[text: done]]")
        until(lambda: last_reason(client, session) == "requires_action")
        server.kill()
        server.start()
    with server.client() as client:
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted")
        listed = events(client, session)
    assert_sound(listed)
    assert [event["type"] for event in listed].count("agent.tool_result") == 1


def test_an_interrupt_holds_although_the_server_is_killed_before_the_turn_has_stopped(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[text: so]] [[silence: 60]] [[text: much]]")
        until(lambda: draft_of(client, session))
        (pid,) = [pid for pid in processes_of(server.workspaces / session) if is_cli(pid)]
        os.kill(pid, signal.SIGSTOP)  # it does not hear of the interrupt
        client.post(f"/api/sessions/{session}/interrupt")
        server.kill()
        os.kill(pid, signal.SIGCONT)
    server.start()
    with server.client() as client:
        until(lambda: last_reason(client, session) == "interrupted")
        assert "session.status_rescheduled" not in kinds(client, session)


def test_a_message_sent_in_the_moment_in_which_the_process_dies_is_answered(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        for number in range(4):
            post(client, session, f"[[text: answer {number}]]")
            until(lambda: last_reason(client, session) == "end_turn", 20)
            kill_cli(server, session)
        post(client, session, "[[text: the last]]")
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert text_of(listed) == "answer 0answer 1answer 2answer 3the last"


def test_an_interrupt_stops_the_turn_that_it_was_sent_in_and_no_later_one(
    server: ServerProcess,
) -> None:
    """The interrupt comes while the session rests, together with the next message."""
    with server.client() as client:
        session = create(client)
        post(client, session, "[[text: first]]")
        until(lambda: last_reason(client, session) == "end_turn", 20)
        for number in range(5):
            stop = {"type": "user.interrupt"}
            sent = [stop, message(f"[[text: answer {number}]]")]
            with ThreadPoolExecutor(2) as together:
                for event in sent:
                    together.submit(
                        client.post, f"/v1/sessions/{session}/events", json={"events": [event]}
                    )
            said = f"answer {number}"
            until(lambda said=said: said in str(events(client, session)[-6:]), 20)
            until(lambda: last_reason(client, session) in {"end_turn", "interrupted"}, 20)
        listed = events(client, session)
    assert_sound(listed)
    turns: list[list[str]] = [[]]
    for event in listed:
        if event["type"] == "user.message":
            turns.append([])
        turns[-1].append(event["type"] + event.get("stop_reason", {}).get("type", ""))
    for turn in turns[1:]:
        ends = [kind for kind in turn if kind.startswith("session.status_idle")]
        assert len(ends) == 1, "each turn ends once"
        before = turn[: turn.index(ends[0])]
        assert ("user.interrupt" in before) == ends[0].endswith("interrupted")


def test_a_turn_that_was_given_up_is_not_run_again_with_a_later_one(
    server: ServerProcess,
) -> None:
    """The later one is lost before the agent has noted its prompt."""
    with server.client() as client:
        session = create(client)
        post(client, session, "[[text: given]] [[silence: 60]] [[text: up]]")
        until(lambda: draft_of(client, session))
        kill_cli(server, session)
        client.post(f"/api/sessions/{session}/interrupt")
        until(lambda: last_reason(client, session) == "interrupted", 20)
        before = len(events(client, session))
        post(client, session, "[[text: the later one]]")
        server.kill()
    server.start()
    with server.client() as client:
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    assert text_of(listed[before:]) == "the later one"


def test_a_turn_that_is_interrupted_at_the_very_start_of_the_server_is_not_taken_up(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session = create(client)
        post(client, session, "[[text: so]] [[silence: 60]] [[text: much]]")
        until(lambda: draft_of(client, session))
    server.kill()
    server.start()
    with server.client() as client:
        client.post(f"/api/sessions/{session}/interrupt")
        post(client, session, "[[text: the later one]]")
        until(lambda: last_reason(client, session) == "end_turn", 20)
        listed = events(client, session)
    assert_sound(listed)
    begun = [event["type"] for event in listed].index("session.status_idle")
    assert text_of(listed[begun:]) == "the later one"


def test_a_resume_goes_on_from_the_end_although_an_older_end_was_left_behind(
    server: ServerProcess,
) -> None:
    """A cut turn that was run again leaves its first end, which the CLI may still point to."""
    with server.client() as client:
        session = create(client)
        for word in ("heron", "magpie"):
            post(client, session, f"remember {word} [[text: yes]]")
            until(lambda: last_reason(client, session) == "end_turn", 20)
    server.kill()
    until(lambda: not processes_of(server.workspaces), 10)
    (record,) = (server.workspaces / session / "config" / "projects" / "workspace").glob("*.jsonl")
    entries = [json.loads(line) for line in record.read_text().splitlines()]
    entries = [entry for entry in entries if entry["type"] != "last-prompt"]
    first = next(entry for entry in entries if entry["type"] == "assistant")
    left = {**first, "uuid": str(uuid.uuid4())}
    pointer = {"type": "last-prompt", "leafUuid": left["uuid"], "sessionId": first["sessionId"]}
    place = entries.index(first)
    lines = [*entries[:place], left, pointer, *entries[place:]]
    record.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    server.start()
    with server.client() as client:
        post(client, session, "[[recall]]")
        until(lambda: "1. remember" in text_of(events(client, session)), 20)
        assert "magpie" in text_of(events(client, session))

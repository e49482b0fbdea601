"""The unmodified official client, pointed at this server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.lib.sessions import accumulate_managed_agents_event

from tests.support.process import ServerProcess, server_process, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(Path(tmp_path_factory.mktemp("home"))) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as made:
        yield made


def new_session(client: anthropic.Anthropic, **more: Any) -> str:
    session = client.beta.sessions.create(
        agent="agent_default", environment_id="env_default", **more
    )
    assert session.status == "idle"
    return session.id


def message(text: str) -> Any:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def play(client: anthropic.Anthropic, session: str, text: str) -> list[Any]:
    """Send a message and read its turn through the client's stream."""
    seen = []
    events = client.beta.sessions.events
    with events.stream(session, event_deltas=["agent.message"]) as stream:
        events.send(session, events=[message(text)])
        for event in stream:
            seen.append(event)
            if event.type == "session.status_idle":
                return seen
    raise AssertionError("the stream ended before the turn")


def test_a_turn_streams_through_the_clients_own_accumulator(client: anthropic.Anthropic) -> None:
    session = new_session(client)
    snapshot = None
    previews = []
    for event in play(client, session, "[[stream: 50 @ 200]]"):
        snapshot = accumulate_managed_agents_event(snapshot, event)
        if event.type == "event_delta" and snapshot is not None:
            previews.append(snapshot.content[0].text)
    assert snapshot is not None
    assert snapshot.content[0].text.split() == [f"w{number}" for number in range(50)]
    assert len(previews) > 2
    assert all(snapshot.content[0].text.startswith(preview) for preview in previews)


@pytest.mark.parametrize("result", ["allow", "deny"])
def test_a_tool_call_is_allowed_or_denied(
    client: anthropic.Anthropic, server: ServerProcess, result: Any
) -> None:
    session = new_session(client)
    asked = play(client, session, '[[tool: Bash {"command":"touch made"}]] [[text: over]]')
    (call,) = [event for event in asked if event.type == "agent.tool_use"]
    assert asked[-1].stop_reason.type == "requires_action"
    assert asked[-1].stop_reason.event_ids == [call.id]
    answer: Any = {"type": "user.tool_confirmation", "tool_use_id": call.id, "result": result}
    if result == "deny":
        answer["deny_message"] = "not here"
    client.beta.sessions.events.send(session, events=[answer])
    until(lambda: client.beta.sessions.retrieve(session).stats.active_seconds)
    listed = list(client.beta.sessions.events.list(session, types=["agent.tool_result"]))
    assert (server.workspaces / session / "workspace" / "made").exists() is (result == "allow")
    assert bool(listed[0].is_error) is (result == "deny")  # type: ignore[union-attr]
    with pytest.raises(anthropic.ConflictError):
        client.beta.sessions.events.send(session, events=[answer])


def test_an_interrupt_ends_the_turn(client: anthropic.Anthropic) -> None:
    session = new_session(client)
    events = client.beta.sessions.events
    with events.stream(session, event_deltas=["agent.message"]) as stream:
        events.send(session, events=[message("[[stream: 5000 @ 50]]")])
        for event in stream:
            if event.type == "event_delta":
                break
        events.send(session, events=[{"type": "user.interrupt"}])
        for event in stream:
            if event.type == "session.status_idle":
                assert event.stop_reason.type == "interrupted"  # type: ignore[comparison-overlap]
                return
    raise AssertionError("the turn did not end")


def test_sessions_are_renamed_listed_archived_and_deleted(client: anthropic.Anthropic) -> None:
    session = new_session(client, title="First", metadata={"team": "a"})
    renamed = client.beta.sessions.update(session, title="Second", metadata={"team": None})
    assert (renamed.title, renamed.metadata) == ("Second", {})
    assert session in {found.id for found in client.beta.sessions.list(limit=2)}
    assert client.beta.sessions.archive(session).archived_at is not None
    assert session not in {found.id for found in client.beta.sessions.list(limit=2)}
    with pytest.raises(anthropic.ConflictError):
        client.beta.sessions.events.send(session, events=[message("more")])
    assert client.beta.sessions.delete(session).type == "session_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.beta.sessions.retrieve(session)


def test_agents_have_versions_and_sessions_keep_the_one_they_began_with(
    client: anthropic.Anthropic,
) -> None:
    tools: Any = [{"type": "agent_toolset_20260401"}]
    agent = client.beta.agents.create(name="One", model="claude-sonnet-5-5", tools=tools)
    session = client.beta.sessions.create(agent=agent.id, environment_id="env_default")
    changed = client.beta.agents.update(agent.id, version=1, name="Two")
    assert (changed.version, changed.name) == (2, "Two")
    assert client.beta.sessions.retrieve(session.id).agent.name == "One"
    assert {found.id for found in client.beta.agents.list()} >= {agent.id}
    assert client.beta.agents.archive(agent.id).archived_at is not None
    environment = client.beta.environments.create(name="Mine", config={"type": "self_hosted"})
    assert client.beta.environments.retrieve(environment.id).name == "Mine"

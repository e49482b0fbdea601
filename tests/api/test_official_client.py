"""The unmodified official Python client against a real port, the real CLI behind it."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.lib.sessions import AccumulatedEvent, accumulate_managed_agents_event

pytestmark = pytest.mark.slow


async def create(official: AsyncAnthropic, **more: Any) -> str:
    session = await official.beta.sessions.create(
        agent="agent_default", environment_id="env_default", **more
    )
    return session.id


async def send(official: AsyncAnthropic, session_id: str, *events: Any) -> list[Any]:
    sent = await official.beta.sessions.events.send(session_id, events=events)
    return list(sent.data or [])


def prompt(text: str) -> Any:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


async def until_idle(stream: Any) -> list[Any]:
    """Everything up to the next idle event."""
    seen = []
    async for event in stream:
        seen.append(event)
        if event.type == "session.status_idle":
            return seen
    raise AssertionError("the stream ended without an idle event")


async def test_a_message_streams_through_the_clients_own_accumulator(
    official: AsyncAnthropic,
) -> None:
    session_id = await create(official, title="Streams")
    async with await official.beta.sessions.events.stream(
        session_id, event_deltas=["agent.message", "agent.thinking"]
    ) as stream:
        script = "[[think: let me see]] [[stream: 60 @ 120]]"
        (echo,) = await send(official, session_id, prompt(script))
        seen = await until_idle(stream)
    snapshots: list[Any] = []
    snapshot: AccumulatedEvent | None = None
    for event in seen:
        snapshot = accumulate_managed_agents_event(snapshot, event)
        if event.type == "event_delta":
            assert snapshot is not None
            snapshots.append(snapshot)
    (message,) = [event for event in seen if event.type == "agent.message"]
    previewed = [event.event.type for event in seen if event.type == "event_start"]
    assert previewed == ["agent.thinking", "agent.message"]
    assert echo.type == "user.message"
    assert len(snapshots) > 5
    assert snapshots[-1].id == message.id
    assert snapshots[-1].content[0].text == message.content[0].text
    assert seen[-1].stop_reason.type == "end_turn"


async def test_a_stream_never_replays_what_was_before_it(official: AsyncAnthropic) -> None:
    session_id = await create(official)
    async with await official.beta.sessions.events.stream(session_id) as stream:
        await send(official, session_id, prompt("[[text: first]]"))
        await until_idle(stream)
    async with await official.beta.sessions.events.stream(session_id) as stream:
        await send(official, session_id, prompt("[[text: second]]"))
        seen = await until_idle(stream)
    assert seen[0].type == "user.message"
    assert seen[0].content[0].text == "[[text: second]]"
    assert not [event for event in seen if event.type.startswith("event_")]


@pytest.mark.parametrize("verdict", ["allow", "deny"])
async def test_a_tool_call_waits_for_its_answer(official: AsyncAnthropic, verdict: str) -> None:
    session_id = await create(official)
    async with await official.beta.sessions.events.stream(session_id) as stream:
        call = '[[tool: Bash {"command":"echo from-the-tool"}]] [[results]]'
        await send(official, session_id, prompt(call))
        seen = await until_idle(stream)
        assert seen[-1].stop_reason.type == "requires_action"
        (asked,) = [event for event in seen if event.type == "agent.tool_use"]
        assert asked.evaluated_permission == "ask"
        assert seen[-1].stop_reason.event_ids == [asked.id]
        assert (await official.beta.sessions.retrieve(session_id)).status == "idle"
        answer: dict[str, Any] = {
            "type": "user.tool_confirmation",
            "tool_use_id": asked.id,
            "result": verdict,
        }
        if verdict == "deny":
            answer["deny_message"] = "not today"
        await send(official, session_id, answer)
        rest = await until_idle(stream)
    (result,) = [event for event in rest if event.type == "agent.tool_result"]
    assert result.tool_use_id == asked.id
    assert ("from-the-tool" in result.content[0].text) == (verdict == "allow")
    assert ("not today" in result.content[0].text) == (verdict == "deny")
    assert rest[-1].stop_reason.type == "end_turn"


async def test_an_interrupt_ends_the_turn_and_the_next_one_works(official: AsyncAnthropic) -> None:
    session_id = await create(official)
    async with await official.beta.sessions.events.stream(
        session_id, event_deltas=["agent.message"]
    ) as stream:
        await send(official, session_id, prompt("[[stream: 2000 @ 50]]"))
        async for event in stream:
            if event.type == "event_delta":
                break
        await send(official, session_id, {"type": "user.interrupt"})
        seen = await until_idle(stream)
        assert seen[-1].stop_reason.type == "interrupted"
        await send(official, session_id, prompt("[[text: still here]]"))
        rest = await until_idle(stream)
    (message,) = [event for event in rest if event.type == "agent.message"]
    assert message.content[0].text == "still here"


async def test_the_log_is_listed_page_by_page_by_type_and_backwards(
    official: AsyncAnthropic,
) -> None:
    session_id = await create(official)
    async with await official.beta.sessions.events.stream(session_id) as stream:
        await send(official, session_id, prompt("[[text: hello]]"))
        await until_idle(stream)
    events = official.beta.sessions.events
    everything: list[Any] = [event async for event in events.list(session_id, limit=2)]
    backwards = [event async for event in events.list(session_id, limit=3, order="desc")]
    messages = [event async for event in events.list(session_id, types=["agent.message"])]
    none = [event async for event in events.list(session_id, created_at_lt="2020-01-01T00:00:00Z")]
    assert [event.seq for event in everything] == list(range(1, len(everything) + 1))
    assert [event.id for event in backwards] == [event.id for event in reversed(everything)]
    assert [event.type for event in messages] == ["agent.message"]
    assert none == []


async def test_a_session_is_updated_listed_archived_and_deleted(official: AsyncAnthropic) -> None:
    sessions = official.beta.sessions
    session_id = await create(official, title="One", metadata={"a": "1", "b": "2"})
    changed = await sessions.update(session_id, title="Two", metadata={"a": None, "c": "3"})
    assert changed.title == "Two"
    assert changed.metadata == {"b": "2", "c": "3"}
    assert (await sessions.retrieve(session_id)).title == "Two"
    archived = await sessions.archive(session_id)
    assert archived.archived_at is not None
    with pytest.raises(anthropic.ConflictError) as refused:
        await send(official, session_id, prompt("too late"))
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert session_id not in [s.id async for s in sessions.list()]
    assert session_id in [s.id async for s in sessions.list(include_archived=True)]
    gone = await sessions.delete(session_id)
    assert gone.type == "session_deleted"
    with pytest.raises(anthropic.NotFoundError):
        await sessions.retrieve(session_id)


async def test_sessions_are_listed_newest_first_over_pages(official: AsyncAnthropic) -> None:
    made = [await create(official, title=f"number {n}") for n in range(5)]
    first = await official.beta.sessions.list(limit=2)
    assert [s.id for s in first.data] == [made[4], made[3]]
    assert first.next_page
    listed = [s.id async for s in official.beta.sessions.list(limit=2)]
    assert listed[:5] == made[::-1]
    oldest_first = [s.id async for s in official.beta.sessions.list(order="asc", limit=100)]
    assert oldest_first == listed[::-1]
    terminated = await official.beta.sessions.list(statuses=["terminated", "rescheduling"])
    assert terminated.data == []


async def test_initial_events_start_the_first_turn(official: AsyncAnthropic) -> None:
    session_id = await create(official, initial_events=[prompt("[[text: at once]]")])
    async with await official.beta.sessions.events.stream(
        session_id, extra_query={"after": 0}
    ) as stream:
        seen = await until_idle(stream)
    assert [e.content[0].text for e in seen if e.type == "agent.message"] == ["at once"]


async def test_a_deleted_session_ends_its_streams(official: AsyncAnthropic) -> None:
    session_id = await create(official)
    async with await official.beta.sessions.events.stream(session_id) as stream:
        await official.beta.sessions.delete(session_id)
        assert [event.type async for event in stream] == ["session.deleted"]


async def test_agents_have_versions(official: AsyncAnthropic) -> None:
    agents = official.beta.agents
    agent = await agents.create(
        name="Reviewer",
        model={"id": "claude-opus-5-5", "effort": "high"},
        system="Review.",
        tools=[
            {
                "type": "agent_toolset_20260401",
                "configs": [{"name": "bash", "permission_policy": {"type": "always_ask"}}],
            }
        ],
        metadata={"team": "core"},
    )
    assert (agent.version, agent.model.id) == (1, "claude-opus-5-5")
    assert agent.model.effort is not None
    assert agent.model.effort.type == "high"
    changed = await agents.update(agent.id, version=1, system="Review well.")
    assert (changed.version, changed.name, changed.metadata) == (2, "Reviewer", {"team": "core"})
    with pytest.raises(anthropic.ConflictError, match="version 2, not 1"):
        await agents.update(agent.id, version=1, system="Too late.")
    assert (await agents.retrieve(agent.id, version=1)).system == "Review."
    assert [a.version async for a in agents.versions.list(agent.id)] == [2, 1]
    assert agent.id in [a.id async for a in agents.list()]
    pinned = await official.beta.sessions.create(
        agent={"type": "agent", "id": agent.id, "version": 1}, environment_id="env_default"
    )
    assert (pinned.agent.version, pinned.agent.system) == (1, "Review.")
    overridden = await official.beta.sessions.create(
        agent={
            "type": "agent_with_overrides",
            "id": agent.id,
            "model": "claude-haiku-5-5",
            "system": None,
        },
        environment_id="env_default",
    )
    assert overridden.agent.model.id == "claude-haiku-5-5"
    assert overridden.agent.system is None
    assert (await agents.archive(agent.id)).archived_at is not None
    with pytest.raises(anthropic.ConflictError, match="archived"):
        await official.beta.sessions.create(agent=agent.id, environment_id="env_default")


async def test_a_change_that_changes_nothing_makes_no_version(official: AsyncAnthropic) -> None:
    agent = await official.beta.agents.create(name="Same", model="claude-opus-5-5")
    assert agent.tools == []
    same = await official.beta.agents.update(agent.id, name="Same")
    assert same.version == 1


async def test_environments_are_made_changed_archived_and_deleted(
    official: AsyncAnthropic,
) -> None:
    environments = official.beta.environments
    made = await environments.create(name="Mine", config={"type": "cloud"})
    assert made.config.type == "cloud"
    changed = await environments.update(made.id, name="Ours", metadata={"a": "1"})
    assert (changed.name, changed.metadata) == ("Ours", {"a": "1"})
    assert {made.id, "env_default"} <= {e.id async for e in environments.list()}
    assert (await environments.archive(made.id)).archived_at is not None
    assert (await environments.delete(made.id)).type == "environment_deleted"
    with pytest.raises(anthropic.NotFoundError):
        await environments.retrieve(made.id)


async def test_the_client_raises_its_own_error_classes(official: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        await official.beta.sessions.retrieve("sesn_nope")
    assert missing.value.type == "not_found_error"
    assert missing.value.request_id == missing.value.response.headers["request-id"]
    with pytest.raises(anthropic.BadRequestError, match="not supported yet"):
        await create(official, vault_ids=["vlt_1"])
    with pytest.raises(anthropic.BadRequestError, match=r"type must be user\.message"):
        await send(
            official,
            await create(official),
            {"type": "user.custom_tool_result", "custom_tool_use_id": "x", "content": []},
        )


async def test_every_field_that_the_clients_types_require_is_there(
    official: AsyncAnthropic,
) -> None:
    session_id = await create(official)
    session = await official.beta.sessions.retrieve(session_id)
    agent = await official.beta.agents.retrieve("agent_default")
    environment = await official.beta.environments.retrieve("env_default")
    for shown in (session, session.agent, session.usage, session.stats, agent, environment):
        shape = type(shown)
        shape.model_validate(shown.model_dump(mode="json"))
        missing = [
            name
            for name, about in shape.model_fields.items()
            if about.is_required() and name not in shown.model_fields_set
        ]
        assert missing == [], shape

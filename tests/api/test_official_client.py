"""The unmodified official Python client against a real port, the real CLI behind it."""

from __future__ import annotations

from typing import Any

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
        session_id, event_deltas=["agent.message"]
    ) as stream:
        (echo,) = await send(official, session_id, prompt("[[stream: 60 @ 120]]"))
        seen = await until_idle(stream)
    snapshots: list[AccumulatedEvent] = []
    snapshot: AccumulatedEvent | None = None
    for event in seen:
        snapshot = accumulate_managed_agents_event(snapshot, event)
        if event.type == "event_delta":
            assert snapshot is not None
            snapshots.append(snapshot)
    (message,) = [event for event in seen if event.type == "agent.message"]
    assert echo.type == "user.message"
    assert len(snapshots) > 5
    assert snapshots[-1].id == message.id
    assert snapshots[-1].content[0].text == message.content[0].text
    assert seen[-1].stop_reason.type == "end_turn"

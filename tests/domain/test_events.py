"""Events as JSON: what comes in goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, new_event_id

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
OURS = {"id", "seq", "processed_at", "loop", "type"}
EXTRA = st.dictionaries(TEXT.filter(lambda name: name not in OURS), JSON, max_size=4)


def round_trip(fields: dict[str, Any]) -> Any:
    return json.loads(e.encode_event(e.parse_event(json.dumps(fields))))


@given(extra=EXTRA)
def test_an_event_of_an_unknown_type_is_kept_verbatim(extra: dict[str, Any]) -> None:
    fields = {**extra, "id": "sevt_1", "type": "agent.dream", "processed_at": None}
    assert isinstance(e.parse_event(fields), e.UnknownEvent)
    assert round_trip(fields) == fields


@given(given_input=st.dictionaries(TEXT, JSON, max_size=4))
def test_the_input_of_a_tool_is_kept_with_its_nulls(given_input: dict[str, Any]) -> None:
    fields = {"id": "sevt_1", "type": "agent.tool_use", "name": "x", "input": given_input}
    assert round_trip(fields) == {**fields, "processed_at": None}


def test_nulls_deep_in_a_tool_input_are_kept() -> None:
    given_input = {"a": None, "b": [None, {"c": None}]}
    fields = {"id": "sevt_1", "type": "agent.tool_use", "name": "x", "input": given_input}
    assert round_trip(fields)["input"] == given_input


def test_unknown_fields_and_blocks_of_known_events_are_kept() -> None:
    fields = {
        "id": "sevt_1",
        "type": "user.message",
        "content": [
            {"type": "text", "text": "hi", "mood": "good"},
            {"type": "hologram", "depth": 3},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ],
        "priority": {"level": 1},
        "processed_at": None,
    }
    assert round_trip(fields) == fields


def test_an_event_that_waits_shows_its_missing_time() -> None:
    message = e.UserMessage(content=[e.text_block("hi")])
    assert json.loads(e.encode_event(message))["processed_at"] is None


def test_an_unknown_event_that_waits_shows_its_missing_time_once() -> None:
    event = e.parse_event({"id": "sevt_1", "type": "agent.dream", "processed_at": None})
    assert e.encode_event(event).count("processed_at") == 1


def test_a_placed_event_shows_its_time_once() -> None:
    placed = e.processed(e.SessionStatusRunning(), 7, e.now())
    text = e.encode_event(placed)
    assert text.count("processed_at") == 1
    assert e.parse_event(text) == placed


@pytest.mark.parametrize("kind", e.KnownEvent.__args__, ids=lambda kind: kind.__name__)
def test_every_known_type_comes_back_as_itself(kind: type[Any]) -> None:
    needed: dict[str, Any] = {
        "content": [e.text_block("hi")],
        "tool_use_id": new_event_id(),
        "mcp_tool_use_id": new_event_id(),
        "model_request_start_id": new_event_id(),
        "result": "allow",
        "name": "read",
        "mcp_server_name": "s",
        "input": {"x": 1},
        "stop_reason": e.StopReason(type="end_turn"),
        "usage": {"input_tokens": 1},
        "model_usage": {"input_tokens": 1},
        "error": e.ErrorBody(
            type="unknown_error", message="m", retry_status=e.RetryStatusBody(type="terminal")
        ),
    }
    event = kind(**{name: needed[name] for name in kind.model_fields if name in needed})
    assert e.parse_event(e.encode_event(event)) == event


def test_a_known_event_without_its_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="content"):
        e.parse_event({"type": "user.message", "id": EventId("sevt_1")})


def test_a_client_may_send_user_events_alone() -> None:
    with pytest.raises(ValueError, match=r"user\.message"):
        e.parse_user_event({"type": "agent.message", "content": []})

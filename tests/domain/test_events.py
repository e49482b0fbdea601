"""Events as JSON: what comes in goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, new_event_id
from loopagent.domain.session import apply
from loopagent.domain.text import well_formed
from tests.domain import made

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
        "task_id": "t1",
        "kind": "local_bash",
        "description": "a job",
        "status": "completed",
        "summary": "it went well",
        "step": "kill",
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


@pytest.mark.parametrize("data", ["[]", "null", '"text"', "{}", '{"type": []}', '{"type": 3}', "{"])
def test_what_is_no_event_is_refused_as_a_wrong_value(data: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whichever of its kinds
        e.parse_event(data)


def test_nulls_in_unknown_fields_and_blocks_are_kept() -> None:
    fields = {
        "id": "sevt_1",
        "type": "user.message",
        "content": [{"type": "hologram", "depth": None}],
        "priority": None,
        "processed_at": None,
    }
    assert round_trip(fields) == fields


def test_a_title_that_is_taken_away_stays_away() -> None:
    event = e.SessionUpdated.model_validate({"title": None})
    assert apply(made.session(title="Before"), e.parse_event(e.encode_event(event))).title is None


def test_an_unknown_event_made_here_has_an_id() -> None:
    event = e.UnknownEvent(type="agent.dream")
    assert json.loads(e.encode_event(event))["id"] == event.id


def test_an_absent_list_of_asks_is_left_out() -> None:
    idle = e.SessionStatusIdle(stop_reason=e.StopReason(type="end_turn"))
    assert json.loads(e.encode_event(idle))["stop_reason"] == {"type": "end_turn"}


def test_half_a_character_in_a_tool_s_output_can_be_stored() -> None:
    half = {"a\ud83d": ["b\ude00", {"c": "\ud83d\n"}, 1]}
    call = e.processed(e.AgentToolUse(name="x", input=half), 3, e.now())
    read = e.parse_event(e.encode_event(call))
    assert isinstance(read, e.AgentToolUse)
    assert read.input == {"a\ufffd": ["b\ufffd", {"c": "\ufffd\n"}, 1]}
    assert (read.id, read.seq, read.processed_at) == (call.id, 3, call.processed_at)


@given(text=st.text(st.characters(codec=None)))
def test_well_formed_text_has_its_length_and_can_be_stored(text: str) -> None:
    mended = well_formed(text)
    assert len(mended) == len(text)
    assert mended.encode().decode() == mended
    assert well_formed(mended) == mended


def test_the_text_of_a_message_is_that_of_its_text_blocks() -> None:
    picture = {"type": "image", "source": {}}
    message = e.UserMessage.model_validate({"content": [e.text_block("a"), picture]})
    assert e.plain_text([*message.content, e.text_block("b")]) == "ab"

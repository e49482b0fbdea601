"""The fold: a session is what its log says, however the log is cut."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.session import Session, apply
from loopagent.domain.usage import TokenUsage
from loopagent.storage import sessions
from loopagent.storage.schema import metadata
from tests.domain import made

CALLS = st.sampled_from([EventId("sevt_a"), EventId("sevt_b"), EventId("sevt_c")])
PERMISSIONS = st.sampled_from(["ask", "allow", "deny", None])
USAGE = st.fixed_dictionaries(
    {}, optional={"input_tokens": st.integers(0, 9), "output_tokens": st.none() | st.integers(0, 9)}
)


def failure(retry: str) -> e.SessionError:
    status = e.RetryStatusBody.model_validate({"type": retry})
    return e.SessionError(error=e.ErrorBody(type="x_error", message="m", retry_status=status))


def idle(reason: str, cost: float = 0.0) -> e.SessionStatusIdle:
    return e.SessionStatusIdle(
        stop_reason=e.StopReason(type=reason), loop={"turn": {"cost_usd": cost}}
    )


def updated(fields: dict[str, Any]) -> e.SessionUpdated:
    return e.SessionUpdated.model_validate(fields)


EVENTS: st.SearchStrategy[list[e.Event]] = st.lists(
    st.one_of(
        st.builds(e.SessionStatusRunning),
        st.builds(idle, st.sampled_from(["end_turn", "requires_action"]), st.floats(0, 2)),
        st.builds(e.SessionStatusRescheduled),
        st.builds(e.SessionStatusTerminated),
        st.builds(failure, st.sampled_from(["retrying", "exhausted"])),
        st.builds(
            e.AgentToolUse,
            id=CALLS,
            name=st.just("bash"),
            input=st.just({"x": None}),
            evaluated_permission=PERMISSIONS,
        ),
        st.builds(e.UserToolConfirmation, tool_use_id=CALLS, result=st.just("allow")),
        st.builds(e.AgentToolResult, tool_use_id=CALLS),
        st.builds(e.AgentMcpToolResult, mcp_tool_use_id=CALLS),
        st.builds(e.ModelRequestEnd, model_request_start_id=CALLS, model_usage=USAGE),
        st.builds(updated, st.fixed_dictionaries({}, optional={"title": st.sampled_from("ab")})),
        st.just(updated({"metadata": {"k": "v"}, "archived_at": made.START.isoformat()})),
        st.just(updated({"model": "another-model"})),
        st.just(e.UnknownEvent(type="agent.dream")),
    ),
    max_size=25,
)


def placed(events: list[e.Event]) -> list[e.Event]:
    return [
        e.processed(event, number, made.START + timedelta(milliseconds=number * 137))
        for number, event in enumerate(events, 1)
    ]


def fold(session: Session, events: list[e.Event]) -> Session:
    for event in events:
        session = apply(session, event)
    return session


@given(events=EVENTS, share=st.floats(0, 1))
def test_a_log_folds_the_same_with_a_stored_row_in_between(
    events: list[e.Event], share: float
) -> None:
    begin, log = made.session(), placed(events)
    cut = round(share * len(log))
    half = fold(begin, log[:cut])
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        metadata.create_all(conn)
        sessions.insert_row(conn, begin)
        sessions.save(conn, half)
        stored = sessions.get(conn, begin.id)
    engine.dispose()
    assert stored == half
    assert fold(stored, log[cut:]) == fold(begin, log)


@given(events=EVENTS)
def test_a_log_folds_the_same_from_its_json(events: list[e.Event]) -> None:
    begin, log = made.session(), placed(events)
    read = [e.parse_event(e.encode_event(event)) for event in log]
    assert fold(begin, read) == fold(begin, log)
    assert fold(begin, log).seq == len(log)


def test_a_turn_counts_its_time_and_money() -> None:
    session = fold(made.session(), placed([e.SessionStatusRunning(), idle("end_turn", 0.0014)]))
    assert (session.status, session.turns, session.cost) == ("idle", 1, 1400)
    assert (session.active_ms, session.running_since) == (137, None)


def test_a_session_that_waits_for_an_answer_is_busy_and_its_turn_goes_on() -> None:
    call = e.AgentToolUse(name="bash", input={}, evaluated_permission="ask")
    session = fold(
        made.session(), placed([e.SessionStatusRunning(), call, idle("requires_action")])
    )
    assert (session.status, session.asks, session.turns) == ("idle", (call.id,), 0)
    assert session.is_busy
    answer = e.UserToolConfirmation(tool_use_id=call.id, result="deny")
    assert not apply(session, answer).is_busy


def test_a_failure_is_forgotten_when_the_next_turn_begins() -> None:
    failed = fold(made.session(), placed([failure("exhausted"), idle("retries_exhausted")]))
    assert failed.error is not None
    assert apply(failed, e.SessionStatusRunning()).error is None


def test_a_failure_that_is_retried_is_no_failure_yet() -> None:
    assert apply(made.session(), failure("retrying")).error is None


def test_a_new_model_is_the_session_s_own() -> None:
    before = made.session()
    after = apply(before, updated({"model": "another-model"}))
    assert after.agent.model.id == "another-model"
    assert replace(after, agent=before.agent) == before


def test_tokens_that_are_missing_or_null_count_as_none() -> None:
    usage = json.loads('{"input_tokens": 3, "output_tokens": null, "server_tool_use": {}}')
    assert TokenUsage.of(usage) == TokenUsage(input_tokens=3)
    assert TokenUsage.of(None) + TokenUsage.of(usage) == TokenUsage(input_tokens=3)


def test_the_wait_for_an_answer_is_no_active_time() -> None:
    call = e.AgentToolUse(name="bash", input={}, evaluated_permission="ask")
    log: list[tuple[int, e.Event]] = [
        (0, e.SessionStatusRunning()),
        (5, idle("requires_action")),
        (65, e.SessionStatusRunning()),
    ]
    session = apply(made.session(), call)
    for second, event in log:
        session = apply(session, e.processed(event, 1, made.START + timedelta(seconds=second)))
    assert (session.active_ms, session.running_since) == (5000, made.START + timedelta(seconds=65))
    end = e.processed(e.SessionStatusTerminated(), 9, made.START + timedelta(seconds=67))
    assert apply(session, end).active_ms == 7000


@pytest.mark.parametrize("turn", [None, {}, {"cost_usd": None}])
def test_a_turn_without_a_price_costs_nothing(turn: Any) -> None:
    event = e.SessionStatusIdle(stop_reason=e.StopReason(type="end_turn"), loop={"turn": turn})
    assert apply(made.session(), event).cost == 0

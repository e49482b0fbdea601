"""How turns end, and what people are told when they fail."""

from __future__ import annotations

from typing import Any

import pytest
from claude_agent_sdk import CLIJSONDecodeError, CLINotFoundError, ProcessError, ResultMessage

from loopagent.agent import endings, failures
from loopagent.agent.ports import Prompt
from loopagent.agent.turn import Turn
from loopagent.domain import events as e
from loopagent.domain.ids import new_event_id


def result(**fields: Any) -> ResultMessage:
    given: dict[str, Any] = {
        "subtype": "success",
        "duration_ms": 1200,
        "duration_api_ms": 1000,
        "is_error": False,
        "num_turns": 1,
        "session_id": "s",
        "usage": {"input_tokens": 3, "server_tool_use": {}},
    }
    return ResultMessage(**(given | fields))


def turn() -> Turn:
    return Turn(Prompt(event_id=new_event_id(), content=[e.text_block("hi")]))


def reason(events: list[e.Event]) -> str:
    assert isinstance(events[-1], e.SessionStatusIdle)
    return events[-1].stop_reason.type


def kind(events: list[e.Event]) -> str:
    assert isinstance(events[0], e.SessionError)
    return events[0].error.type


def test_a_good_turn_ends_with_its_time_cost_and_tokens() -> None:
    (idle,) = endings.of_result(result(), None, turn(), 0.0014)
    assert reason([idle]) == "end_turn"
    assert idle.loop is not None
    assert idle.loop["turn"] == {
        "duration_ms": 1200,
        "cost_usd": 0.0014,
        "usage": {"input_tokens": 3},
        "model_requests": 1,
    }


def test_an_aborted_turn_is_interrupted() -> None:
    aborted = result(subtype="error_during_execution", terminal_reason="aborted_streaming")
    assert reason(endings.of_result(aborted, None, turn(), 0)) == "interrupted"


def test_an_interrupt_that_came_with_the_last_word_still_interrupts() -> None:
    stopped = turn()
    stopped.interrupted = True
    assert reason(endings.of_result(result(), None, stopped, 0)) == "interrupted"


@pytest.mark.parametrize(
    ("word", "status", "expected"),
    [
        ("authentication_failed", 401, "authentication_error"),
        ("billing_error", 400, "billing_error"),
        ("model_not_found", 404, "model_not_found_error"),
        ("overloaded", 529, "model_overloaded_error"),
        ("rate_limit", 429, "model_rate_limited_error"),
        ("server_error", 529, "model_overloaded_error"),
        ("unknown", 402, "billing_error"),
        ("unknown", None, "model_request_failed_error"),
        ("never heard of", None, "model_request_failed_error"),
    ],
)
def test_each_failure_of_the_api_has_its_kind(word: str, status: int | None, expected: str) -> None:
    failed = result(is_error=True, api_error_status=status, result="API Error")
    events = endings.of_result(failed, word, turn(), 0)
    assert kind(events) == expected
    assert reason(events) == "retries_exhausted"


def test_a_limit_that_stopped_the_turn_is_the_error() -> None:
    stopped = turn()
    stopped.error = failures.silent(5)
    events = endings.of_result(result(terminal_reason="aborted_tools"), None, stopped, 0)
    assert kind(events) == "turn_timeout_error"
    assert reason(events) == "retries_exhausted"


def test_too_many_steps_are_told_as_such() -> None:
    failed = result(subtype="error_max_turns", is_error=True, errors=["limit 2"])
    assert kind(endings.of_result(failed, None, turn(), 0)) == "max_turns_error"


def test_a_rejected_key_is_final_and_says_where_to_set_it() -> None:
    error = failures.from_word("authentication_failed", retry="terminal")
    assert error.retry_status == "terminal"
    assert "ANTHROPIC_API_KEY" in error.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CLINotFoundError("gone"), "cli_not_found_error"),
        (ProcessError("died", exit_code=-9), "process_crashed_error"),
        (CLIJSONDecodeError("{", ValueError("x")), "process_crashed_error"),
        (OSError("no"), "process_crashed_error"),
    ],
)
def test_each_failure_of_the_process_has_its_kind(error: Exception, expected: str) -> None:
    failed = failures.from_exception(error, "out of memory")
    assert failed.kind == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1, "resume_failed_error"), (-9, "process_crashed_error"), (143, "process_crashed_error")],
)
def test_a_process_that_a_signal_ended_has_not_refused_its_record(code: int, expected: str) -> None:
    error = ProcessError("ended", exit_code=code)
    assert failures.from_exception(error, "", resuming=True).kind == expected


def test_what_the_process_said_last_is_part_of_the_message() -> None:
    failed = failures.from_exception(ProcessError("died", exit_code=1), "bad flag\n")
    assert "bad flag" in failed.message


def test_waiting_for_a_person_is_not_counted_as_the_turns_time() -> None:
    waiting = turn()
    before = waiting.heard_at
    waiting.heard_at = before - 100
    waiting._started_at -= 100
    waiting.heard(waiting=True)
    assert waiting.active_seconds(waiting.heard_at) < 1

"""The log in short, for an agent that has lost its own record."""

from __future__ import annotations

from loopagent.domain import events as e
from loopagent.sessions.summary import summary_of


def user(text: str) -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(text)])


def agent(text: str) -> e.AgentMessage:
    return e.AgentMessage(content=[e.text_block(text)])


def refusal() -> e.SessionError:
    retry = e.RetryStatusBody(type="exhausted")
    body = e.ErrorBody(type="message_rejected_error", message="no", retry_status=retry)
    return e.SessionError(error=body)


def test_it_tells_in_order_who_said_and_did_what() -> None:
    call = e.AgentToolUse(name="bash", input={"command": "ls"})
    told = summary_of([user("list the files"), call, agent("there are two")]) or ""
    parts = ["User: list the files", "You called bash: {'command': 'ls'}", "You: there are two"]
    assert [told.index(part) for part in parts] == sorted(told.index(part) for part in parts)


def test_an_empty_log_has_no_summary() -> None:
    assert summary_of([]) is None


def test_of_a_long_log_the_newest_is_kept_and_the_cut_is_named() -> None:
    told = summary_of([agent(f"message {n} " + "x" * 3000) for n in range(50)]) or ""
    assert "message 49" in told
    assert "message 0 " not in told
    assert "left out" in told
    assert len(told) < 30_000


def test_what_the_api_refused_is_not_told_again() -> None:
    told = summary_of([user("first"), agent("fine"), user("too large"), refusal(), user("next")])
    assert told is not None
    assert "too large" not in told
    assert "User: first" in told
    assert "User: next" in told

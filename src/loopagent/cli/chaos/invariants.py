"""What must hold for a session, whatever died: pure checks that say what is wrong, and where.

docs/crash-safety.md states each of them in words.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopagent.cli.chaos.disk import Remains
from loopagent.cli.chaos.plan import Message, SessionPlan

Row = Mapping[str, Any]

_MAX_STARTS_AGAIN = 3
_RECALLED = re.compile(r"\b(r\d+s\d+m\d+): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One session at the end of its round.

    accepted: ids of the acknowledged messages, in the order of sending.
    viewers: the rows that each viewer got. closing: id of the last message, `[[recall]]`.
    """

    plan: SessionPlan
    remains: Remains
    accepted: Sequence[str]
    viewers: Mapping[str, Sequence[str]]
    closing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn in the log: its message and all rows up to the next one."""

    message: Row
    rows: Sequence[Row]

    @property
    def ends(self) -> list[str]:
        """Why it ended; one reason if all is well."""
        reasons = [row["stop_reason"]["type"] for row in self.of("session.status_idle")]
        return [reason for reason in reasons if reason != "requires_action"]

    @property
    def starts_again(self) -> int:
        return len(self.of("session.status_rescheduled"))

    def of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["type"] == kind]


def violations(story: Story) -> Iterator[str]:
    """Everything that is wrong with a session."""
    rows = [json.loads(body) for body in story.remains.bodies]
    yield from _numbering(rows)
    yield from _viewers(story)
    yield from _messages(story, rows)
    yield from _fold(story.remains)
    turns = list(_turns(rows))
    messages = {message.id: message for message in story.plan.messages}
    forgetful = _forgetful(turns)
    if forgetful is not None:
        yield from forgetful
        return
    for turn in turns:
        yield from _turn(turn)
        if message := messages.get(turn.message["id"]):
            yield from _answer(message, turn, turns, story.closing)
            yield from _ledger(message, turn, story.remains.ledger)
    yield from _tools(rows)
    yield from _conversation(story, turns, messages)


def _turns(rows: Sequence[Row]) -> Iterator[Turn]:
    starts = [place for place, row in enumerate(rows) if row["type"] == "user.message"]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield Turn(message=rows[start], rows=rows[start:end])


def _numbering(rows: Sequence[Row]) -> Iterator[str]:
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        yield f"the log is not numbered 1 to {len(rows)}"
    for event_id, count in Counter(row["id"] for row in rows).items():
        if count > 1:
            yield f"event {event_id} is in the log {count} times"


def _viewers(story: Story) -> Iterator[str]:
    log = story.remains.bodies
    for name, seen in story.viewers.items():
        if tuple(seen) == log:
            continue
        pairs = zip(seen, log, strict=False)
        place = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), None)
        if place is not None:
            yield f"viewer {name} saw another row {place} than the log holds"
        else:
            yield f"viewer {name} saw {len(seen)} of {len(log)} rows"


def _messages(story: Story, rows: Sequence[Row]) -> Iterator[str]:
    logged = [row["id"] for row in rows if row["type"] == "user.message"]
    lost = [event_id for event_id in story.accepted if event_id not in logged]
    if lost:
        yield f"accepted messages are lost: {', '.join(lost)}"
    elif logged != list(story.accepted):
        yield f"messages ran in another order than they were sent: {logged}"


def _fold(remains: Remains) -> Iterator[str]:
    if remains.stored != remains.folded:
        names = [
            name
            for name in remains.stored.__dataclass_fields__
            if getattr(remains.stored, name) != getattr(remains.folded, name)
        ]
        yield f"the session's row differs from the fold of its log in: {', '.join(names)}"
    if remains.open_asks != remains.stored.asks:
        yield f"open asks: {remains.open_asks} in their table, {remains.stored.asks} in the log"
    if remains.queued:
        yield f"{remains.queued} messages are queued in a session at rest"
    if remains.stored.status != "idle" or remains.stored.stop_reason is None:
        yield f"it came to rest as {remains.stored.status}"


def _turn(turn: Turn) -> Iterator[str]:
    name = turn.message["id"]
    if len(turn.ends) != 1:
        yield f"the turn of {name} ended {len(turn.ends)} times: {', '.join(turn.ends)}"
    legal = {"end_turn", "interrupted", "retries_exhausted"}
    for reason in set(turn.ends) - legal:
        yield f"the turn of {name} ended as {reason}"
    if "retries_exhausted" in turn.ends and turn.starts_again < _MAX_STARTS_AGAIN:
        told = [row["error"]["message"] for row in turn.of("session.error")]
        yield f"the turn of {name} was given up after {turn.starts_again} new starts: {told}"
    stops = [row["seq"] for row in turn.of("user.interrupt")]
    if "interrupted" in turn.ends and not stops:
        yield f"the turn of {name} was interrupted by nobody"
    # One that comes with the last word changes nothing.
    spoke = [row["seq"] for row in turn.rows if row["type"].startswith("agent.")]
    if "end_turn" in turn.ends and stops and spoke and stops[0] < spoke[-1]:
        yield f"the turn of {name} went on to its end although it was interrupted"


def _forgetful(turns: Sequence[Turn]) -> list[str] | None:
    """What is wrong with a session whose agent got a summary in place of its own record.

    It gets one if the server died so often that the first turns never reached the agent. The
    scripted model then follows the directives in the summary: nothing more can be checked.
    """
    for place, turn in enumerate(turns):
        errors = [row["error"]["type"] for row in turn.of("session.error")]
        if "record_lost_error" in errors:
            had_begun = any(earlier.of("agent.message") for earlier in turns[:place])
            return ["the agent's own record was lost"] if had_begun else []
    return None


def _answer(message: Message, turn: Turn, turns: Sequence[Turn], closing: str) -> Iterator[str]:
    """The end of the answer is said once in its own turn, and nowhere else."""
    said = f"done {message.marker}."
    inside = sum(said in _text(row) for row in turn.of("agent.message"))
    for other in turns:
        elsewhere = other is not turn and other.message["id"] != closing
        if elsewhere and any(said in _text(row) for row in other.of("agent.message")):
            yield f"{message.id} was answered in the turn of {other.message['id']}"
    if inside > 1 or (turn.ends == ["end_turn"] and inside != 1):
        yield f"{message.id} was answered {inside} times in a turn that ended: {turn.ends}"


def _ledger(message: Message, turn: Turn, ledger: Sequence[str]) -> Iterator[str]:
    """A command runs once; once more, at most, for each new start of its turn."""
    for line in message.lines:
        count = ledger.count(line)
        if count > 1 + turn.starts_again:
            yield f"the command for {line} ran {count} times in {1 + turn.starts_again} starts"
        finished = [
            row
            for row in turn.of("agent.tool_result")
            if not row.get("is_error") and line in _commands(turn).get(row["tool_use_id"], "")
        ]
        if finished and not count:
            yield f"the log says that the command for {line} ran, but it did not"
        own = [row for row in finished if row["tool_use_id"] in _commands(turn, below=False)]
        if len(own) > 1:
            yield f"the finished command for {line} was run again"


def _commands(turn: Turn, *, below: bool = True) -> dict[str, str]:
    """The commands by the ids of their calls; those of sub-agents only with `below`."""
    return {
        row["id"]: str(row["input"].get("command", ""))
        for row in turn.of("agent.tool_use")
        if below or "parent" not in (row.get("loop") or {})
    }


def _tools(rows: Sequence[Row]) -> Iterator[str]:
    """Each call has one result, after it, and at most one answer to its ask."""
    calls = {row["id"]: row["seq"] for row in rows if row["type"] == "agent.tool_use"}
    results = Counter(row["tool_use_id"] for row in rows if row["type"] == "agent.tool_result")
    answers = Counter(row["tool_use_id"] for row in rows if row["type"] == "user.tool_confirmation")
    for call, seq in calls.items():
        if results[call] != 1:
            yield f"tool call {call} (row {seq}) has {results[call]} results"
        if answers[call] > 1:
            yield f"tool call {call} was answered {answers[call]} times"
    for call in results.keys() - calls.keys():
        yield f"a result belongs to no tool call: {call}"


def _conversation(
    story: Story, turns: Sequence[Turn], messages: Mapping[str, Message]
) -> Iterator[str]:
    """What the model remembers in the end: every prompt once, in the order of the log."""
    closing = [turn for turn in turns if turn.message["id"] == story.closing]
    if not closing or closing[0].ends != ["end_turn"]:
        yield "the closing message was not answered"
        return
    text = "".join(_text(row) for row in closing[0].of("agent.message"))
    recalled = _RECALLED.findall(text)
    for marker, count in Counter(recalled).items():
        if count > 1:
            yield f"the model got {marker} {count} times"
    asked = [messages[turn.message["id"]] for turn in turns if turn.message["id"] in messages]
    order = [message.marker for message in asked if message.marker in recalled]
    if order != list(dict.fromkeys(recalled)):
        yield f"the model got the messages in another order: {recalled}"
    for turn in turns:
        message = messages.get(turn.message["id"])
        if message and turn.ends == ["end_turn"] and message.marker not in recalled:
            yield f"{message.id} was answered, but the model does not remember it"


def _text(row: Row) -> str:
    return "".join(block.get("text", "") for block in row.get("content") or ())

"""The records of a scripted reply: steps, and the rounds they fall into.

A reply is a flat list of steps; a round is what one request answers with. A tool call ends its
round, because the model must wait for the result. This module knows neither directives nor files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text or thinking, cut into deltas of `words` words (or `chars` characters) each."""

    text: str
    kind: Literal["text", "thinking"] = "text"
    pace: float = 0.0
    """Deltas per second; 0 is as fast as possible."""
    words: int = 1
    chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool that the CLI carries out."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    parallel: bool = False
    """Whether it belongs to the same round as the call before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Fault: an HTTP error with the API's envelope."""

    code: int
    kind: str | None = None
    """The error's type and message; None is the usual one of the status."""
    message: str | None = None
    retry_after: int | None = None
    times: int = 0
    """How many requests of one prompt it hits; 0 is all of them. The same for the other faults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Fault: the connection is closed without an answer."""

    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Fault: the connection is closed in mid-stream, after so many deltas, or here if None."""

    after: int | None = None
    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamError:
    """Fault: an error event inside a stream that began well."""

    kind: str = "overloaded_error"
    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing is sent for some seconds; `before` holds the response's headers back as well."""

    seconds: float
    before: bool = False
    times: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The token counts that the reply reports; None is an estimate."""

    input: int | None = None
    output: int | None = None
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The stop reason that the reply reports instead of the natural one."""

    reason: str


Fault = Status | Refuse | Cut | StreamError | Pause
Step = Text | ToolCall | Status | Refuse | Cut | StreamError | Pause | Usage | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one request is answered with, in the order of the steps."""

    steps: tuple[Step, ...]

    @property
    def content(self) -> Iterator[Text | ToolCall]:
        """The steps that become content blocks."""
        return (step for step in self.steps if isinstance(step, Text | ToolCall))

    @property
    def stop_reason(self) -> str:
        """The reason given by the script, else what the content calls for."""
        for step in self.steps:
            if isinstance(step, Stop):
                return step.reason
        return "tool_use" if any(isinstance(s, ToolCall) for s in self.steps) else "end_turn"

    @property
    def usage(self) -> Usage:
        """The last counts that the script gives, else estimates."""
        return next((s for s in reversed(self.steps) if isinstance(s, Usage)), Usage())


def split_rounds(steps: Sequence[Step], closing: Text) -> tuple[Round, ...]:
    """Split steps into rounds after each tool call; `closing` is said where nothing else is."""
    rounds: list[list[Step]] = [[]]
    for step in steps:
        last = rounds[-1][-1] if rounds[-1] else None
        joins = isinstance(step, ToolCall) and step.parallel
        if isinstance(last, ToolCall) and not joins:
            rounds.append([])
        rounds[-1].append(step)
    if any(isinstance(step, ToolCall) for step in rounds[-1]):
        rounds.append([])
    if not any(isinstance(step, Text) for step in rounds[-1]):
        rounds[-1].append(_filler(rounds[-1], closing))
    return tuple(Round(steps=tuple(part)) for part in rounds)


def _filler(steps: Sequence[Step], closing: Text) -> Text:
    """A stream that is to be cut after some deltas needs that many; else the closing words."""
    for step in steps:
        if isinstance(step, Cut) and step.after is not None:
            return Text(text=numbered_words(step.after + 20), pace=closing.pace)
    return closing


def numbered_words(count: int) -> str:
    """Give `count` words that show by their number whether one is lost or doubled."""
    return " ".join(f"w{number}" for number in range(count))

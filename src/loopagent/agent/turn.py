"""The turn that is under way in a runner: its clocks and why it is being stopped."""

from __future__ import annotations

import time
from typing import Literal

from claude_agent_sdk import Message, ResultMessage, StreamEvent, SystemMessage, UserMessage

from loopagent.agent import failures
from loopagent.agent.ports import Prompt, RunPlan
from loopagent.agent.stops import Stops
from loopagent.domain.ids import prompt_uuid
from loopagent.errors import AgentError

_ECHO_ONLY = 3.0  # seconds after a prompt's echo without a turn: it was answered before


class Turn:
    """From a prompt to its result, or without a prompt, where a background task began it.

    Times are of the monotonic clock, in seconds.
    """

    def __init__(self, prompt: Prompt | None) -> None:
        now = time.monotonic()
        self.event_id = prompt.event_id if prompt else None
        self.seq = prompt.seq if prompt else 0
        self.uuid = prompt_uuid(prompt.event_id) if prompt else None
        self.began = prompt is None  # the CLI works on it
        self.echoed_at: float | None = None  # the CLI has taken the prompt
        self.interrupted = False
        self.stops = Stops()
        self.error: AgentError | None = None  # a limit was reached
        self.heard_at = now
        self._started_at = now
        self._waited = 0.0

    def is_ended_by(self, message: ResultMessage) -> bool:
        """Whether a result is this turn's: one that a background task began may come before it."""
        own = message.origin is None or message.origin.get("kind") != "task-notification"
        return own or self.uuid is None or self.uuid in (message.user_message_uuids or ())

    def heard(self, *, waiting: bool = False) -> None:
        """A sign of life; the time since the last one doesn't count while waiting for a person."""
        now = time.monotonic()
        if waiting:
            self._waited += now - self.heard_at
        self.heard_at = now

    def note(self, message: Message) -> None:
        """What the CLI said in this turn, as far as it tells where the turn stands."""
        self.heard()
        match message:
            case SystemMessage(subtype="session_state_changed"):
                self.began = self.began or message.data.get("state") == "running"
            case StreamEvent():
                self.began = True
            case UserMessage() if message.uuid == self.uuid:
                self.echoed_at = self.heard_at

    def due(
        self, plan: RunPlan, *, is_asking: bool
    ) -> Literal["force", "answered"] | AgentError | None:
        """What must be done about the turn now: a limit that it has reached, say."""
        now = time.monotonic()
        if self.stops.have_begun:
            return "force" if self.stops.is_due(now) else None
        if self.echoed_at is not None and not self.began and now - self.echoed_at > _ECHO_ONLY:
            # The CLI knows this prompt and its answer: the kill came after the turn's end.
            return "answered"
        if is_asking:
            self.heard(waiting=True)
        elif now - self.heard_at > plan.silence_seconds:
            return failures.silent(plan.silence_seconds)
        elif self.active_seconds(now) > plan.turn_seconds:
            return failures.too_long(plan.turn_seconds)
        return None

    def active_seconds(self, now: float) -> float:
        """Seconds since the start, waiting for answers left out."""
        return now - self._started_at - self._waited


def is_asking(message: Message) -> bool:
    """Whether the model is being asked."""
    return isinstance(message, SystemMessage) and message.data.get("status") == "requesting"

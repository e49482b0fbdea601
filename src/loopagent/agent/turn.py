"""The turn that is under way in a runner: its clocks and why it is being stopped."""

from __future__ import annotations

import time

from claude_agent_sdk import Message, ResultMessage, StreamEvent, SystemMessage, UserMessage

from loopagent.agent.ports import Prompt
from loopagent.domain.ids import prompt_uuid
from loopagent.errors import AgentError


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
        self.stop_by: float | None = None  # an interrupt was sent; the process is ended after this
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

    def active_seconds(self, now: float) -> float:
        """Seconds since the start, waiting for answers left out."""
        return now - self._started_at - self._waited


def is_asking(message: Message) -> bool:
    """Whether the model is being asked."""
    return isinstance(message, SystemMessage) and message.data.get("status") == "requesting"

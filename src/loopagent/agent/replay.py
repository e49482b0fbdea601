"""The message that a kill cut off: told apart from its second writing, so no text shows twice."""

from __future__ import annotations

from loopagent.agent.ports import Recovery
from loopagent.domain import events as e
from loopagent.domain.ids import EventId


class LostDraft:
    """The text of a cut message while the turn is run again.

    As long as the new text repeats the lost one, nothing is shown. If it goes on from there, it
    is the same message. If it differs, the lost text becomes a message of its own, marked partial.
    """

    def __init__(self, recovery: Recovery | None) -> None:
        self.event_id: EventId | None = recovery.draft_id if recovery else None
        self.text = recovery.draft_text if recovery and self.event_id else ""
        self._again: str | None = None

    @property
    def is_pending(self) -> bool:
        return self.event_id is not None

    @property
    def is_replaying(self) -> bool:
        return self._again is not None

    def begin(self) -> None:
        """A message of the same kind begins."""
        self._again = ""

    def pause(self) -> None:
        """That message came to nothing; the next one may be it."""
        self._again = None

    def read(self, text: str) -> str | None:
        """Take more of the new text; gives what is new in it once it has caught up, else None.

        After a difference `is_replaying` is False and `text` and `event_id` are still there.
        """
        again = (self._again or "") + text
        if self.text.startswith(again):
            self._again = again
            return None
        self._again = None
        if again.startswith(self.text):
            fresh = again[len(self.text) :]
            self.forget()
            return fresh
        return again

    def continues(self, whole: str) -> bool:
        """Whether a complete message is the lost one, completed."""
        return self.is_pending and whole.startswith(self.text)

    def partial(self) -> e.AgentMessage | None:
        """The lost text as a row, once; None if there is none."""
        event_id, text = self.event_id, self.text
        self.forget()
        if event_id is None or not text:
            return None
        return e.AgentMessage(id=event_id, content=[e.text_block(text)], loop={"partial": True})

    def forget(self) -> None:
        self.event_id, self.text, self._again = None, "", None

"""The reply as it streams: model requests as spans, and the text that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopagent.agent.ports import Recovery
from loopagent.agent.replay import LostDraft
from loopagent.agent.steps import CloseDraft, DraftText, Emit, OpenDraft, Step
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, new_event_id
from loopagent.domain.usage import TokenUsage

_PREVIEWED = {"text": "agent.message", "thinking": "agent.thinking"}


class Preview:
    """Follows the API's stream events of one process."""

    def __init__(self, recovery: Recovery | None) -> None:
        self._request: EventId | None = None
        self._usage: dict[str, Any] = {}
        self._finished = False
        self._goes_on = False
        self._draft: EventId | None = None
        self._lost = LostDraft(recovery)

    def read(self, event: dict[str, Any]) -> Iterator[Step]:
        """The steps of one stream event of the main conversation."""
        match event.get("type"):
            case "message_start":
                yield from self.begin_request()
                self._usage = dict(event["message"].get("usage") or {})
            case "content_block_start":
                yield from self._block_start(event["content_block"])
            case "content_block_delta":
                delta = event["delta"]
                text = delta.get("text") or delta.get("thinking")
                if text and self._draft is not None:
                    yield from self._text(text)
            case "message_delta":
                self._finished = True
                self._goes_on = event["delta"].get("stop_reason") == "tool_use"
                self._usage |= {k: v for k, v in (event.get("usage") or {}).items() if v}
            case "message_stop":
                # A stream that was cut ends with a made-up message_stop and no message_delta:
                # that reply is void, the CLI asks again.
                if not self._finished:
                    yield from self.void()
                # Else the turn ends in a moment: one write tells of both.
                if self._goes_on or not self._finished:
                    yield from self.end_request()
            case _:
                pass

    def begin_request(self) -> Iterator[Step]:
        """The model is asked, or answers already: whichever is seen first."""
        if self._finished:
            yield from self.end_request()
        if self._request is None:
            self._request = new_event_id()
            self._usage, self._finished = {}, False
            yield Emit(e.ModelRequestStart(id=self._request))

    def message(self, text: str) -> Iterator[Step]:
        """A text block is complete: its row takes the id of its draft."""
        event_id = self.take()
        if self._lost.continues(text):
            event_id = self._lost.event_id or event_id
            if rest := text[len(self._lost.text) :]:
                yield DraftText(rest)
            self._lost.forget()
        elif self._lost.is_pending:
            yield from self.give_up_lost()
            event_id = new_event_id()
        yield Emit(e.AgentMessage(id=event_id, content=[e.text_block(text)]))

    def take(self) -> EventId:
        """The id for a block that is now complete."""
        taken, self._draft = self._draft, None
        return taken or new_event_id()

    def void(self) -> Iterator[Step]:
        """What was being written came to nothing."""
        if self._lost.is_replaying:
            self._lost.pause()
            self._draft = None
        elif self._draft is not None:
            self._draft = None
            yield CloseDraft()

    def end_request(self) -> Iterator[Step]:
        """The model's reply is over, whole or not."""
        if self._request is None:
            return
        usage = TokenUsage.of(self._usage)
        yield Emit(
            e.ModelRequestEnd(
                model_request_start_id=self._request,
                is_error=not self._finished,
                model_usage={name: getattr(usage, name) for name in usage.__dataclass_fields__},
            )
        )
        self._request = None

    def give_up_lost(self) -> Iterator[Step]:
        """The cut message isn't written again: what there was of it becomes a row."""
        partial = self._lost.partial()
        if partial is not None:
            yield Emit(partial)

    def _block_start(self, block: dict[str, Any]) -> Iterator[Step]:
        kind = _PREVIEWED.get(block["type"])
        if kind == "agent.message" and self._lost.is_pending:
            self._lost.begin()
            self._draft = self._lost.event_id
        elif kind is not None:
            self._draft = new_event_id()
            yield OpenDraft(self._draft, kind)

    def _text(self, text: str) -> Iterator[Step]:
        if not self._lost.is_replaying:
            yield DraftText(text)
            return
        fresh = self._lost.read(text)
        if fresh is None:
            return
        if self._lost.is_pending:
            yield from self.give_up_lost()
            self._draft = new_event_id()
            yield OpenDraft(self._draft, "agent.message")
        if fresh:
            yield DraftText(fresh)

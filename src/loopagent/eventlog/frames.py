"""What a follower receives. Each frame knows its bytes as a server-sent event, made only once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from loopagent.domain.events import Event, parse_event
from loopagent.domain.ids import EventId


@dataclass(slots=True)
class StoredEvent:
    """A row of the log; `body` is the wire's JSON text of the event."""

    seq: int
    id: EventId
    type: str
    body: str
    _sse: bytes | None = field(default=None, repr=False, compare=False)

    def event(self) -> Event:
        """The row as a record."""
        return parse_event(self.body)

    def sse(self) -> bytes:
        if self._sse is None:
            self._sse = f"id: {self.seq}\nevent: {self.type}\ndata: {self.body}\n\n".encode()
        return self._sse


Row: TypeAlias = StoredEvent


@dataclass(slots=True)
class DraftStart:
    """An event begins to be written: its type and the id that its row will have."""

    event_id: EventId
    type: str
    _sse: bytes | None = field(default=None, repr=False, compare=False)

    def sse(self) -> bytes:
        if self._sse is None:
            body = {"type": "event_start", "event": {"type": self.type, "id": self.event_id}}
            self._sse = _frame("event_start", body)
        return self._sse


@dataclass(slots=True)
class DraftDelta:
    """More text of an event that is being written; `offset` counts characters before it."""

    event_id: EventId
    type: str
    offset: int
    text: str
    _sse: bytes | None = field(default=None, repr=False, compare=False)

    def sse(self) -> bytes:
        if self._sse is None:
            delta = {
                "type": "content_delta",
                "index": 0,
                "content": {"type": "text", "text": self.text},
            }
            body = {"type": "event_delta", "event_id": self.event_id, "delta": delta}
            self._sse = _frame("event_delta", body)
        return self._sse


@dataclass(slots=True)
class Notice:
    """An event that has no row yet, such as a queued message; `body` is its JSON text."""

    type: str
    body: str
    _sse: bytes | None = field(default=None, repr=False, compare=False)

    def sse(self) -> bytes:
        if self._sse is None:
            self._sse = f"event: {self.type}\ndata: {self.body}\n\n".encode()
        return self._sse


@dataclass(slots=True)
class Ping:
    """A sign of life: a client that hears none for a while should connect again."""

    def sse(self) -> bytes:
        return PING_BYTES


PING_BYTES = b'event: ping\ndata: {"type":"ping"}\n\n'

Frame: TypeAlias = StoredEvent | DraftStart | DraftDelta | Notice | Ping


def _frame(event: str, body: Mapping[str, object]) -> bytes:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n".encode()

"""Server-sent events as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its event name, its id (the seq) and its JSON."""

    event: str
    id: int | None
    data: dict[str, Any]


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """The frames in a stream of lines, pings left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.get("event", "ping") != "ping":
            number = int(fields["id"]) if "id" in fields else None
            yield Frame(fields["event"], number, json.loads(fields["data"]))
        fields = {}


def text_of(events: Iterable[dict[str, Any]]) -> str:
    """All text of the agent's messages."""
    return "".join(
        block["text"]
        for event in events
        if event["type"] == "agent.message"
        for block in event["content"]
    )

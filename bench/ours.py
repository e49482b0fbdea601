"""Our server as a client sees it: the same turns over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

LIMIT = aiohttp.ClientTimeout(total=120)


def client(url: str) -> aiohttp.ClientSession:
    """A client with as many connections as it needs."""
    return aiohttp.ClientSession(
        url, timeout=LIMIT, connector=aiohttp.TCPConnector(limit=0), raise_for_status=True
    )


@dataclass(slots=True)
class Stream:
    """Server-sent events as they came: pieces of bytes with their times."""

    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    async def read(self, answer: aiohttp.ClientResponse, until: bytes = b"") -> None:
        """Keep what comes until the stream ends, or `until` was in it."""
        async for piece in answer.content.iter_any():
            self.pieces.append((time.monotonic(), piece))
            if until and until in piece:
                return

    def deltas(self) -> Iterator[tuple[float, str]]:
        """The previewed text with the time at which the piece that ends its frame came."""
        held = b""
        for at, piece in self.pieces:
            *frames, held = (held + piece).split(b"\n\n")
            for frame in frames:
                if frame.startswith(b"event: event_delta\n"):
                    body = orjson.loads(frame.partition(b"\ndata: ")[2])
                    yield at, body["delta"]["content"]["text"]

    @property
    def size(self) -> int:
        return sum(len(piece) for _, piece in self.pieces)


async def new_session(client: aiohttp.ClientSession) -> str:
    async with client.post("/api/sessions", json={}) as answer:
        made: dict[str, Any] = await answer.json()
    return str(made["id"])


async def turn(
    client: aiohttp.ClientSession, session: str, prompt: str
) -> tuple[float, float, str]:
    """Seconds to the first text and to the end of a turn, and the previewed text."""
    began = time.monotonic()
    stream = Stream()
    url = f"/api/sessions/{session}/message"
    async with client.post(url, json={"prompt": prompt}) as answer:
        await stream.read(answer)
    ended = time.monotonic()
    deltas = list(stream.deltas())
    return deltas[0][0] - began, ended - began, "".join(text for _, text in deltas)

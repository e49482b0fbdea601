"""A stand-in for the model's API: a real server on loopback that does what a test asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Behaviour = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

SSE = {"content-type": "text/event-stream; charset=utf-8"}
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"claude-x",'
    b'"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1}}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hi"}}\n\n'
)
END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":42}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)


@dataclass(slots=True)
class Seen:
    """A request as it arrived."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@dataclass(slots=True)
class FakeApi:
    """What it does, what it has seen, and whether its client has gone away."""

    behave: Behaviour
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = b"".join([chunk async for chunk in request.content.iter_any()])
        self.seen.append(Seen(request.raw_path, list(request.headers.items()), body))
        try:
            return await self.behave(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise


async def whole(request: web.BaseRequest) -> web.StreamResponse:
    """A short stream, all at once."""
    response = web.StreamResponse(headers=SSE)
    await response.prepare(request)
    await response.write(START + DELTA + END)
    return response


@asynccontextmanager
async def fake_api(behave: Behaviour = whole) -> AsyncIterator[FakeApi]:
    """A running stand-in, ended with the block."""
    api = FakeApi(behave)
    server = web.Server(api.answer, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()

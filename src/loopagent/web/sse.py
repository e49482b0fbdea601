"""Server-sent events over the wire: bounded writes, a clean end, nothing left behind.

Owns the HTTP side of a stream. What the frames say is the business of the event log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from loopagent.errors import LoopError

log = logging.getLogger(__name__)

STALLED_AFTER = 30.0


class EventStream(Response):
    """Sends ready-made frames until they end, the client leaves, or it stops reading.

    A client that takes nothing for `stalled_after` seconds is cut off: it can come back with
    `Last-Event-ID`.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        headers: dict[str, str] | None = None,
        stalled_after: float = STALLED_AFTER,
    ) -> None:
        super().__init__(None, 200, headers)
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"
        self._frames = frames
        self._stalled_after = stalled_after
        self._sending_since: float | None = None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._frames), asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(send), name="stream: send")
            ears = group.create_task(_cancel_when_left(receive, pump), name="stream: listen")
            pump.add_done_callback(lambda _: ears.cancel())
            self._look_after(pump)

    async def _pump(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        # An empty first piece sends the headers at once, before the first event.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        try:
            async for frame in self._frames:
                self._sending_since = clock()
                await send({"type": "http.response.body", "body": frame, "more_body": True})
                self._sending_since = None
        except LoopError as error:
            log.warning("A stream ended early: %s", error.message)
            frame = _error_frame(error)
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _look_after(self, pump: asyncio.Task[None]) -> None:
        """Cut off a client that has taken nothing for too long; costs nothing per frame."""
        loop = asyncio.get_running_loop()
        since = self._sending_since
        if since is not None and loop.time() - since >= self._stalled_after:
            pump.cancel()
        elif not pump.done():
            timer = loop.call_later(self._stalled_after / 3, self._look_after, pump)
            pump.add_done_callback(lambda _: timer.cancel())


async def _cancel_when_left(receive: Receive, pump: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    pump.cancel()


def _error_frame(error: LoopError) -> bytes:
    body = {"type": "error", "error": {"type": error.wire_type, "message": error.message}}
    return b"event: error\ndata: " + orjson.dumps(body) + b"\n\n"

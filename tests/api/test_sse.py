"""Streams on a real port: they end with the client, with the log, and for one who doesn't read."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import uvicorn
from starlette.types import Receive, Scope, Send

from loopagent.errors import StorageError
from loopagent.web.sse import EventStream
from tests.support.server import RunningServer, running_server

FRAME = b"event: x\ndata: {}\n\n"


class Source:
    """Frames without end, that says when it was closed."""

    def __init__(self, frame: bytes = FRAME, count: int = 10**9) -> None:
        self.frame = frame
        self.count = count
        self.sent = 0
        self.is_closed = anyio.Event()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            while self.sent < self.count:
                self.sent += 1
                yield self.frame
                await anyio.lowlevel.checkpoint()
            if self.count == 0:
                raise StorageError("The disk is full. Make room.")
        finally:
            self.is_closed.set()


@asynccontextmanager
async def streaming(source: Source, **options: Any) -> AsyncIterator[int]:
    """The port of a server that answers everything with `source`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(source.frames(), **options)(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server._serve, [listener])
        yield listener.getsockname()[1]
        server.should_exit = True


async def test_the_headers_forbid_keeping_and_buffering() -> None:
    source = Source(count=2)
    async with streaming(source) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}")
    assert answer.content == FRAME * 2
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert "content-length" not in answer.headers


async def test_a_stream_ends_when_its_client_leaves() -> None:
    source = Source()
    async with streaming(source) as port:
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", f"http://127.0.0.1:{port}") as answer,
        ):
            async for _ in answer.aiter_bytes():
                break
        with anyio.fail_after(5):
            await source.is_closed.wait()


async def test_a_client_that_stops_reading_is_cut_off() -> None:
    source = Source(frame=b"data: " + b"x" * 100_000 + b"\n\n")
    async with (
        streaming(source, stalled_after=0.3) as port,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        await stream.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with anyio.fail_after(10):
            await source.is_closed.wait()
    assert source.sent < 1000


async def test_a_failure_in_mid_stream_is_told_in_the_stream() -> None:
    source = Source(count=0)
    async with streaming(source) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}")
    assert answer.text.startswith("event: error\ndata: ")
    assert "Make room" in answer.text


async def test_streams_end_cleanly_when_the_server_does(tmp_path: Any) -> None:
    ended = anyio.Event()

    async def watch(server: RunningServer, opened: anyio.Event) -> None:
        async with server.client() as client:
            session = (await client.post("/api/sessions")).json()["id"]
            path = f"/v1/sessions/{session}/events/stream"
            async with client.stream("GET", path) as answer:
                opened.set()
                assert [line async for line in answer.aiter_lines()] == []
        ended.set()

    async with anyio.create_task_group() as tasks:
        async with running_server(tmp_path) as server:
            opened = anyio.Event()
            tasks.start_soon(watch, server, opened)
            await opened.wait()
        with anyio.fail_after(5):
            await ended.wait()

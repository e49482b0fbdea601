"""Clients that send or take too slowly, or too much: each is let go, and nobody else waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.abc
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.web import connection, security
from tests.support.server import RunningServer, running_server


@pytest.fixture
async def impatient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningServer]:
    """A server whose limits are a fraction of a second."""
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(connection, "READING_SECONDS", 0.3)
    monkeypatch.setattr(security, "_BODY_SECONDS", 0.3)
    async with running_server(tmp_path) as server:
        yield server


async def opened(server: RunningServer, sent: bytes) -> anyio.abc.SocketStream:
    stream = await anyio.connect_tcp("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    await stream.send(sent)
    return stream


async def rest(stream: anyio.abc.SocketStream) -> bytes:
    """All that comes until the server ends the connection."""
    told = b""
    with anyio.fail_after(10):
        try:
            while True:
                told += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return told


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"GET /healthz HTTP/1.1\r\n"]
)
async def test_headers_that_do_not_end_are_not_waited_for(
    impatient: RunningServer, sent: bytes
) -> None:
    stream = await anyio.connect_tcp("127.0.0.1", int(impatient.url.rsplit(":", 1)[1]))
    async with stream:
        if sent:
            await stream.send(sent)
        assert b"took too long" in await rest(stream)


async def test_headers_that_come_drop_by_drop_are_not_waited_for(impatient: RunningServer) -> None:
    async with await opened(impatient, b"GET / HTTP/1.1\r\n") as stream:

        async def drip() -> None:
            try:
                while True:
                    await stream.send(b"X: y\r\n")
                    await anyio.sleep(0.05)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drip)
            assert b"took too long" in await rest(stream)
            tasks.cancel_scope.cancel()


async def test_a_second_request_of_a_connection_has_the_same_limits(
    impatient: RunningServer,
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with await opened(impatient, request) as stream:
        assert b"ok\n" in await stream.receive()
        # Between requests there is no hurry.
        await anyio.sleep(0.5)
        await stream.send(request)
        assert b"ok\n" in await stream.receive()
        await stream.send(request[:20])
        assert b"took too long" in await rest(stream)


async def test_endless_headers_are_refused_before_they_fill_the_memory(
    impatient: RunningServer,
) -> None:
    async with await opened(impatient, b"GET / HTTP/1.1\r\n") as stream:
        try:
            for _ in range(40):
                await stream.send(b"X: " + b"y" * 4000 + b"\r\n")
        except anyio.BrokenResourceError:
            pass
        told = await rest(stream)
        assert b"too long" in told or told == b""


async def test_a_body_that_does_not_end_is_answered_with_408(impatient: RunningServer) -> None:
    head = b"POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    async with await opened(impatient, head) as stream:
        told = await rest(stream)
        assert told.startswith(b"HTTP/1.1 408")
        assert b"too slowly" in told


async def test_who_listens_to_a_stream_for_long_is_not_taken_for_slow(
    impatient: RunningServer,
) -> None:
    async with impatient.client() as client:
        session = (await client.post("/api/sessions", json={})).json()["id"]
        body = {"prompt": "[[wait: 1]] [[text: done]]"}
        path = f"/api/sessions/{session}/message"
        async with client.stream("POST", path, json=body) as answer:
            lines = [line async for line in answer.aiter_lines()]
        assert "event: session.status_idle" in lines


async def test_a_client_that_takes_nothing_is_cut_off(impatient: RunningServer) -> None:
    async with impatient.client() as client:
        session = SessionId((await client.post("/api/sessions", json={})).json()["id"])
        batch: list[e.Event] = [
            e.AgentMessage(content=[e.text_block("x" * 30_000)]) for _ in range(400)
        ]
        await impatient.services.log.append(session, batch)
        path = f"/v1/sessions/{session}/events?limit=1000"
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        async with await opened(impatient, request) as stream:
            # A moment in which nothing is taken, longer than the server's patience.
            await anyio.sleep(1.5)
            told = await rest(stream)
        whole = await client.get(path)
        assert len(told) < len(whole.content)

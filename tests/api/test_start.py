"""What a start prepares: sockets that send at once, and no first visitor who waits for compilers."""

from __future__ import annotations

import asyncio
import socket

import fastapi.routing
import httpx
import pytest

from loopagent.server import bind
from loopagent.web.app import create_app
from loopagent.web.pages import drawing
from loopagent.web.rehearsal import rehearse
from tests.support.server import RunningServer


async def test_small_pieces_are_sent_at_once() -> None:
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = writer.get_extra_info("socket")
        accepted.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind("127.0.0.1", 0)
    async with await asyncio.start_server(accept, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await asyncio.wait_for(accepted, 5)
        writer.close()


async def test_after_the_rehearsal_nothing_is_compiled(
    server: RunningServer, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(server.services)
    session = (await http.post("/api/sessions", json={})).json()["id"]
    environment = drawing._ENVIRONMENT
    assert environment.cache is not None
    environment.cache.clear()
    await rehearse(app, server.services)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled while a visitor waits")

    monkeypatch.setattr(environment, "compile", refuse)
    assert (await http.get(f"/sessions/{session}")).status_code == 200
    monkeypatch.setattr(fastapi.routing, "get_dependant", refuse)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(f"/v1/sessions/{session}/events")
    assert answer.status_code == 200

"""Wrong tokens by the thousand: they are answered slowly, cost no read, and no stream waits."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.web import security
from tests.support.server import RunningServer, running_server

TOKEN = "a-token-that-is-long-enough-not-to-be-guessed"
CONNECTIONS = 50
IN_ADVANCE = 200
GOOD = {"x-api-key": TOKEN}


async def flood(server: RunningServer, answers: Counter[str]) -> None:
    """One connection that asks far more than it gets answers to, until it is cancelled."""
    port = int(server.url.rsplit(":", 1)[1])
    request = b"GET /api/sessions HTTP/1.1\r\nHost: localhost\r\nx-api-key: lat_wrong\r\n\r\n"
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request * IN_ADVANCE)
        while True:
            told = await stream.receive()
            answers.update(re.findall(r"HTTP/1.1 (\d+)", told.decode()))


async def test_ten_thousand_wrong_tokens_hold_up_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: Counter[str] = Counter()
    reads = 0
    async with running_server(tmp_path, token=TOKEN) as server, server.client() as client:
        made = await client.post("/api/sessions", json={}, headers=GOOD)
        session = SessionId(made.json()["id"])
        keyring: Any = server.services.auth.keyring
        read = keyring._read

        async def counted() -> None:
            nonlocal reads
            reads += 1
            await read()

        monkeypatch.setattr(keyring, "_read", counted)
        path = f"/v1/sessions/{session}/events/stream"
        began = anyio.current_time()
        async with client.stream("GET", path, headers=GOOD) as stream:
            assert stream.status_code == 200
            async with anyio.create_task_group() as tasks:
                for _ in range(CONNECTIONS):
                    tasks.start_soon(flood, server, answers)
                seen = 0
                lines = stream.aiter_lines()
                for number in range(100):
                    text = f"word {number}"
                    message = e.AgentMessage(content=[e.text_block(text)])
                    await server.services.log.append(session, [message])
                    with anyio.fail_after(5):
                        async for line in lines:
                            if text in line:
                                seen += 1
                                break
                    await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()
        seconds = anyio.current_time() - began
    assert seen == 100
    assert CONNECTIONS * IN_ADVANCE == 10_000
    # Five tries are free, a pause follows; the rest is answered once a second on each connection.
    assert answers["401"] <= 5 + seconds
    assert answers["429"] <= CONNECTIONS * (1 + seconds / security.PENALTY_SECONDS)
    assert reads <= 2 + seconds


async def test_too_many_that_wait_are_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "_MOST_HELD", 0)
    monkeypatch.setattr(security, "PENALTY_SECONDS", 60)
    async with running_server(tmp_path, token=TOKEN) as server, server.client() as client:
        for _ in range(5):
            answer = await client.get("/api/sessions", headers={"x-api-key": "wrong"})
            assert answer.status_code == 401
        answer = await client.get("/api/sessions", headers={"x-api-key": "wrong"})
        assert answer.status_code == 429
        assert answer.headers["connection"] == "close"
        assert (await client.get("/api/sessions", headers=GOOD)).status_code == 200


async def test_a_caller_has_its_share_and_then_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "_BURST", 20)
    monkeypatch.setattr(security, "_PER_SECOND", 0.01)
    monkeypatch.setattr(security, "PENALTY_SECONDS", 0)
    async with running_server(tmp_path, token=TOKEN) as server, server.client() as client:
        good = [(await client.get("/api/sessions", headers=GOOD)).status_code for _ in range(21)]
        assert good == [200] * 20 + [429]
        # Strangers have a share of their own, for each address.
        none = [(await client.get("/api/sessions")).status_code for _ in range(21)]
        assert none == [401] * 20 + [429]
        assert (await client.get("/login")).status_code == 429
    async with running_server(tmp_path) as server, server.client() as client:
        alone = [(await client.get("/api/sessions")).status_code for _ in range(30)]
        assert alone == [200] * 30

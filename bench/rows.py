"""The log by itself: how fast it grows, and how fast a long one opens."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.eventlog.log import EventLog
from loopagent.storage.database import Database
from tests.support.process import server_process

Tell = Callable[[str, str, str], None]

WRITERS = 16
EACH = 500
LONG = 20_000


def _message(text: str) -> e.AgentMessage:
    return e.AgentMessage(content=[e.text_block(text)])


async def appends(home: Path, tell: Tell) -> None:
    """16 writers, one event a time, each on disk before the next."""
    with server_process(home / "writers") as server, server.client() as client:
        ids = [
            SessionId(client.post("/api/sessions", json={}).json()["id"]) for _ in range(WRITERS)
        ]
    database = Database.open(f"file:{home}/writers/data/sessions.db")
    waits: list[float] = []
    async with EventLog(database) as log:

        async def write(session: SessionId) -> None:
            for _ in range(EACH):
                began = time.perf_counter()
                await log.append(session, [_message("x" * 300)])
                waits.append(time.perf_counter() - began)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for session in ids:
                group.create_task(write(session), name="writer")
        seconds = time.perf_counter() - began
    database.close()
    p99 = statistics.quantiles(waits, n=100)[98] * 1000
    tell(
        "appends, 16 writers", f"{len(waits) / seconds:,.0f}/s, p99 {p99:.1f} ms", "3,000/s, 20 ms"
    )


def pages(home: Path, tell: Tell) -> None:
    """The first page of a session with 20,000 events."""
    place = home / "long"
    with server_process(place) as server, server.client() as client:
        session = SessionId(client.post("/api/sessions", json={}).json()["id"])
    database = Database.open(f"file:{place}/data/sessions.db")

    async def fill() -> None:
        async with EventLog(database) as log:
            for _ in range(LONG // 500):
                await log.append(session, [_message("some words " * 8) for _ in range(500)])

    asyncio.run(fill())
    database.close()
    with server_process(place) as server, server.client() as client:
        for name, url, target in (
            ("by API", f"/v1/sessions/{session}/events?order=desc&limit=100", "10 ms"),
            ("as a page", f"/sessions/{session}", "100 ms"),
        ):
            waits = []
            for _ in range(11):
                began = time.perf_counter()
                client.get(url).raise_for_status()
                waits.append((time.perf_counter() - began) * 1000)
            shown = f"first {waits[0]:.1f} ms, then {statistics.median(waits[1:]):.1f}"
            tell(f"20,000 events, {name}", shown, target)

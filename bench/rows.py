"""The log: how fast it grows, and how fast a long one opens."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from bench import ours
from bench.model import Model
from bench.report import Report, below, over
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.eventlog.log import EventLog
from loopagent.storage.database import Database
from tests.support.process import server_process

WRITERS = 16
EACH = 500
LONG = 20_000


def _message(text: str) -> e.AgentMessage:
    return e.AgentMessage(content=[e.text_block(text)])


async def appends(report: Report, home: Path, model: Model) -> None:
    """16 writers, one event at a time, each on disk before the next: alone, then beside a server.

    The server has the same database open and serves a turn of 50 tokens a second.
    """
    place = home / "writers"
    with server_process(place, **model.settings) as server, server.client() as client:
        made = [client.post("/api/sessions", json={}).json()["id"] for _ in range(WRITERS)]
    ids = [SessionId(text) for text in made]
    await _append(report, place, ids, "appends, 16 writers")
    with server_process(place, **model.settings) as server:
        async with ours.client(server.url) as other:
            session = await ours.new_session(other)
            await ours.turn(other, session, "[[text: warm]]")
            async with asyncio.TaskGroup() as group:
                prompt = "[[stream: 3000 @ 50]]"
                turn = group.create_task(ours.turn(other, session, prompt), name="turn")
                await asyncio.sleep(0.5)
                await _append(report, place, ids, "appends, a server serves")
                turn.cancel()


async def _append(report: Report, place: Path, ids: list[SessionId], name: str) -> None:
    database = Database.open(f"file:{place}/data/sessions.db")
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
    report.row(name, len(waits) / seconds, over(3000, "/s"))
    report.row("  one append, p99", p99, below(20, "ms"))


def pages(report: Report, home: Path) -> None:
    """The first page of a session with 20,000 events: the server's first request, and later ones."""
    place = home / "long"
    with server_process(place) as server, server.client() as client:
        session = SessionId(client.post("/api/sessions", json={}).json()["id"])
    asyncio.run(_fill(place, session))
    for name, url, target in (
        ("20,000 events by API", f"/v1/sessions/{session}/events?order=desc&limit=100", 10),
        ("20,000 events as a page", f"/sessions/{session}", 100),
    ):
        waits = []
        with server_process(place) as server, server.client() as client:
            time.sleep(_AFTER_READY)
            for _ in range(21):
                began = time.perf_counter()
                client.get(url).raise_for_status()
                waits.append((time.perf_counter() - began) * 1000)
        first = f"{_AFTER_READY} s after ready"
        report.row(f"{name}, first request", waits[0], below(target, "ms"), first)
        later = statistics.median(waits[1:])
        report.row("  following ones", later, below(target, "ms"))


_AFTER_READY = 2.0  # seconds: nobody clicks in the moment that a server is up


async def _fill(place: Path, session: SessionId) -> None:
    database = Database.open(f"file:{place}/data/sessions.db")
    async with EventLog(database) as log:
        for _ in range(LONG // 500):
            await log.append(session, [_message("some words " * 8) for _ in range(500)])
    database.close()

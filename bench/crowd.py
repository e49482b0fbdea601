"""Many viewers of one stream: who is served, how old what they see is, what it costs."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import aiohttp

from bench import ours
from bench.model import Model
from bench.process import cpu_seconds
from bench.report import Report, at_most, below
from loopagent.scripted.script import numbered_words
from tests.support.process import server_process

VIEWERS = 500
WORDS = 200
PACE = 50
_TEXT = numbered_words(WORDS)


async def watch(report: Report, home: Path, model: Model) -> None:
    """One turn of 200 tokens, 50 a second, before 500 viewers."""
    with server_process(home / "crowd", **model.settings) as server:
        async with ours.client(server.url) as client:
            session = await ours.new_session(client)
            await ours.turn(client, session, "[[text: warm]]")
            before = cpu_seconds(server.pid)
            seen = await _viewers(client, session)
            spent = cpu_seconds(server.pid) - before
    due = model.due(WORDS)
    whole = sum("".join(text for _, text in stream.deltas()) == _TEXT for stream in seen)
    ages = [age for stream in seen for age in _ages(stream, due)]
    p99 = statistics.quantiles(ages, n=100)[98] * 1000
    size = statistics.median(stream.size for stream in seen) / WORDS
    report.row(f"{VIEWERS} viewers, not served whole or in order", VIEWERS - whole, at_most(0))
    middle = statistics.median(ages) * 1000
    remark = f"median {middle:.1f} ms, from the model's due time; CPU {spent:.1f} s"
    report.row("  age of a token, p99", p99, below(100, "ms"), remark)
    report.row("  bytes a token, rows included", size, at_most(100))


async def _viewers(client: aiohttp.ClientSession, session: str) -> list[ours.Stream]:
    ready = asyncio.Barrier(VIEWERS + 1)

    async def one() -> ours.Stream:
        stream = ours.Stream()
        url = f"/v1/sessions/{session}/events/stream?event_deltas[]=agent.message"
        async with client.get(url) as answer:
            await ready.wait()
            await stream.read(answer, until=b"event: session.status_idle\n")
        return stream

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(), name=f"viewer {n}") for n in range(VIEWERS)]
        await ready.wait()
        content = [{"type": "text", "text": f"[[stream: {WORDS} @ {PACE}]]"}]
        body = {"events": [{"type": "user.message", "content": content}]}
        await client.post(f"/v1/sessions/{session}/events", json=body)
    return [task.result() for task in tasks]


def _ages(stream: ours.Stream, due: list[float]) -> list[float]:
    """How long each word was on its way."""
    ages: list[float] = []
    for at, text in stream.deltas():
        for _ in text.split():
            ages.append(at - due[len(ages)])
    return ages

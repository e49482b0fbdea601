"""Turns, ours and the bare SDK's by turns (A B A B), against the same model."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from claude_agent_sdk import ClaudeSDKClient

from bench import bare, ours
from bench.model import Model
from bench.process import cpu_seconds, rss_mib
from bench.report import Report, at_most, below
from loopagent.scripted.script import numbered_words
from tests.support.process import server_process

_PEOPLE_READ = 1.5  # seconds between opening a page and the first message on it
_TEXT = numbered_words(400)
_LIVE = 6  # sessions, below the limit of live processes


async def compare(report: Report, home: Path, model: Model, rounds: int) -> None:
    """Warm follow-ups, turns at full pace, new sessions."""
    floor = ClaudeSDKClient(bare.options(home / "warm", model.url))
    await floor.connect()
    await bare.turn(floor, "[[text: warm]]")
    with server_process(home / "turns", **model.settings) as server:
        async with ours.client(server.url) as client:
            pair = _Pair(client, await ours.new_session(client), floor)
            await pair.ours("[[text: warm]]")
            await _warm(report, pair, rounds)
            await _full_pace(report, pair, server.pid, rounds)
            await _new(report, client, home, model, rounds)
    await floor.disconnect()


@dataclass(frozen=True, slots=True)
class _Pair:
    """A warm session of ours and a connected client of the bare SDK."""

    client: aiohttp.ClientSession
    session: str
    floor: ClaudeSDKClient

    async def ours(self, prompt: str) -> tuple[float, float, str]:
        return await ours.turn(self.client, self.session, prompt)

    async def bare(self, prompt: str) -> tuple[float, float]:
        return await bare.turn(self.floor, prompt)


async def _warm(report: Report, pair: _Pair, rounds: int) -> None:
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append((await pair.ours("[[stream: 20 @ 200]]"))[0])
        theirs.append((await pair.bare("[[stream: 20 @ 200]]"))[0])
    report.compare("warm follow-up, first token, more", mine, theirs, at_most(10, "ms"))


async def _full_pace(report: Report, pair: _Pair, server: int, rounds: int) -> None:
    mine, theirs, whole, spent = [], [], 0, 0.0
    for _ in range(rounds):
        before = cpu_seconds(server)
        _, seconds, text = await pair.ours("[[stream: 400 @ 0]]")
        spent += cpu_seconds(server) - before
        whole += text == _TEXT
        mine.append(seconds)
        theirs.append((await pair.bare("[[stream: 400 @ 0]]"))[1])
    report.compare("400 deltas at full pace, whole turn", mine, theirs, at_most(1.3))
    report.row("  turns whose text is not whole", rounds - whole, at_most(0))
    report.row("  server CPU a turn", spent / rounds * 1000, at_most(50, "ms"))


async def _new(
    report: Report, client: aiohttp.ClientSession, home: Path, model: Model, rounds: int
) -> None:
    mine, opened, theirs = [], [], []
    for _ in range(rounds):
        began = time.monotonic()
        session = await ours.new_session(client)
        created = time.monotonic() - began
        mine.append(created + (await ours.turn(client, session, "[[text: hi]]"))[0])
        await client.delete(f"/api/sessions/{session}")
        theirs.append(await bare.cold(home, model.url, "[[text: hi]]"))
        session = await ours.new_session(client)
        await client.get(f"/sessions/{session}")
        await asyncio.sleep(_PEOPLE_READ)
        opened.append((await ours.turn(client, session, "[[text: hi]]"))[0])
        await client.delete(f"/api/sessions/{session}")
    report.compare("new session, first token", mine, theirs, at_most(1.2))
    report.compare("  its page was open before", opened, theirs, below(1.0))


async def memory(report: Report, home: Path, model: Model) -> None:
    """What the server itself grows by with each live session."""
    with server_process(home / "memory", **model.settings) as server:
        async with ours.client(server.url) as client:
            await _live(client)  # brings what is loaded once
            before = rss_mib(server.pid)
            for _ in range(_LIVE):
                await _live(client)
            grown = (rss_mib(server.pid) - before) / _LIVE
    report.row("memory a live session, CLI left out", grown, below(5, "MiB"), f"{_LIVE} sessions")


async def _live(client: aiohttp.ClientSession) -> None:
    session = await ours.new_session(client)
    await ours.turn(client, session, "[[stream: 400 @ 0]]")

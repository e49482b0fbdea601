"""`make bench`: prints medians, ratios and differences; nothing here passes or fails."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx
from claude_agent_sdk import ClaudeSDKClient

from bench import bare, ours, rows
from loopagent.scripted import ScriptedModel
from tests.support.process import ServerProcess, server_process

ROUNDS = 30
COLD_ROUNDS = 10


def tell(name: str, value: str, target: str) -> None:
    print(f"{name:44} {value:44} {target}", flush=True)


def compare(name: str, mine: list[float], floor: list[float], target: str) -> None:
    a, b = statistics.median(mine) * 1000, statistics.median(floor) * 1000
    tell(name, f"{a:.1f} ms, floor {b:.1f}: x{a / b:.2f}, {a - b:+.1f} ms", target)


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def turns(server: ServerProcess, home: Path) -> None:
    """Warm follow-ups, new sessions and full-pace turns, ours and the floor's in turn."""
    model = ScriptedModel()
    url = await model.start()
    floor = ClaudeSDKClient(bare.options(home / "warm", url))
    await floor.connect()
    await bare.turn(floor, "[[text: warm]]")
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        session = await ours.new_session(client)
        await ours.turn(client, session, "[[text: warm]]")
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append((await ours.turn(client, session, "[[stream: 20 @ 200]]"))[0])
            theirs.append((await bare.turn(floor, "[[stream: 20 @ 200]]"))[0])
        compare("first token, warm follow-up", mine, theirs, "at most +10 ms")
        mine, theirs, whole = [], [], True
        spent = cpu_seconds(server.pid)
        for _ in range(ROUNDS):
            _, seconds, text = await ours.turn(client, session, "[[stream: 400 @ 0]]")
            whole = whole and len(text.split()) == 400
            mine.append(seconds)
            theirs.append((await bare.turn(floor, "[[stream: 400 @ 0]]"))[1])
        spent = (cpu_seconds(server.pid) - spent) / ROUNDS
        compare("400 deltas at full pace", mine, theirs, "at most x1.3")
        tell("  server CPU a turn, scripted model included", f"{spent * 1000:.0f} ms", "50 ms")
        tell("  all text delivered", str(whole), "True")
        mine, theirs = [], []
        for _ in range(COLD_ROUNDS):
            began = time.perf_counter()
            fresh = await ours.new_session(client)
            created = time.perf_counter() - began
            mine.append(created + (await ours.turn(client, fresh, "[[text: hi]]"))[0])
            theirs.append(await bare.cold(home, url, "[[text: hi]]"))
            await client.delete(f"/api/sessions/{fresh}")
        compare("first token, new session", mine, theirs, "at most x1.2")
    await floor.disconnect()
    await model.stop()


async def crowd(server: ServerProcess) -> None:
    """500 viewers of one turn of 200 tokens at 50 a second."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        session = await ours.new_session(client)
        await ours.turn(client, session, "[[text: warm]]")
        seen = await ours.viewers(server.url, session, 500, "[[stream: 200 @ 50]]")
    spread = (max(seen["ends"]) - min(seen["ends"])) * 1000
    size = statistics.median(seen["sizes"]) / 200
    words = len(seen["text"].split())
    tell("500 viewers: all the same text, words", f"{seen['whole']}, {words}", "True, 200")
    tell("  from the first to the last one's end", f"{spread:.0f} ms", "100 ms")
    tell("  bytes a token", f"{size:.0f}", "100")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        began = time.perf_counter()
        with server_process(home / "server") as server:
            ready = time.perf_counter() - began
            tell("start to ready", f"{ready:.2f} s", "1.0 s")
            time.sleep(2)
            tell("idle memory", f"{memory_mib(server.pid):.0f} MiB", "120 MiB")
            asyncio.run(turns(server, home))
            asyncio.run(crowd(server))
        asyncio.run(rows.appends(home, tell))
        rows.pages(home, tell)
    print(subprocess.run(["uname", "-mr"], capture_output=True, text=True, check=True).stdout)


main()

"""What the levels of isolation cost, by turns with level `none`."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time

from bench import ours
from bench.model import Model
from bench.report import Report, at_most
from loopagent.sandbox.launcher import Launcher, LaunchSpec
from loopagent.sandbox.levels import launcher_of
from tests.sandbox.places import machine, made, spec
from tests.support.process import reachable_folder, server_process

LEVELS = ("confined", "sandbox")
_STARTS = 20


def starts(report: Report) -> None:
    """From the launcher to a shell that runs inside, more than without a level."""
    with reachable_folder() as home:
        here = machine(home)
        launchers: dict[str, Launcher] = {
            level: launcher_of(level, here) for level in ("none", *LEVELS)
        }
        prepared = {level: spec(made(home / level)) for level in launchers}
        waits: dict[str, list[float]] = {level: [] for level in launchers}
        for _ in range(_STARTS):
            for level, launcher in launchers.items():
                waits[level].append(_start(launcher, prepared[level]))
    floor = statistics.median(waits["none"])
    for level in LEVELS:
        more = (statistics.median(waits[level]) - floor) * 1000
        report.row(f"{level}: start, more", more, at_most(50, "ms"), f"{_STARTS} by turns")


def _start(launcher: Launcher, prepared: LaunchSpec) -> float:
    began = time.monotonic()
    path = launcher.prepare(prepared)
    subprocess.run([path, "-c", "exit"], check=True, env={"PATH": "/usr/bin:/bin"})
    return time.monotonic() - began


async def turns(report: Report, model: Model, rounds: int) -> None:
    """Warm follow-ups in a session of each level, against one of none."""
    async with contextlib.AsyncExitStack() as stack:
        pairs = {}
        for level in ("none", *LEVELS):
            place = stack.enter_context(reachable_folder())
            settings = {**model.settings, "LOOP_AGENT_ISOLATION": level}
            server = stack.enter_context(server_process(place, **settings))
            client = await stack.enter_async_context(ours.client(server.url))
            pairs[level] = (client, await ours.new_session(client))
            await ours.turn(*pairs[level], "[[text: warm]]")
        waits: dict[str, list[float]] = {level: [] for level in pairs}
        for _ in range(rounds):
            for level, pair in pairs.items():
                waits[level].append((await ours.turn(*pair, "[[stream: 20 @ 200]]"))[0])
    floor = statistics.median(waits["none"])
    for level in LEVELS:
        more = (statistics.median(waits[level]) - floor) * 1000
        report.row(f"{level}: first token of a warm turn, more", more, at_most(5, "ms"))

"""`make bench`: readings beside their targets, taken by turns with the bare SDK's where it has any.

Parts and rounds may be chosen: `python -m bench --rounds 5 turns crowd`. A missed target is
printed; only a reading that can't be taken is an error.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from bench import checkpoints, crowd, isolation, model, rows, turns
from bench.process import rss_mib
from bench.report import Report, at_most
from tests.support.process import server_process

PARTS = ("start", "turns", "memory", "crowd", "appends", "pages", "checkpoints", "isolation")


def start(report: Report, home: Path) -> None:
    """From the command to ready, and what an idle server holds."""
    waits, sizes = [], []
    for number in range(3):
        began = time.monotonic()
        with server_process(home / f"start{number}") as server:
            waits.append(time.monotonic() - began)
            time.sleep(5)
            sizes.append(rss_mib(server.pid))
    report.row("start to ready", statistics.median(waits), at_most(1.0, "s"), "median of 3")
    report.row("idle memory", statistics.median(sizes), at_most(120, "MiB"), "scripted model in it")


def main() -> None:
    """Take the readings."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="pairs of turns")
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all if none")
    given = parser.parse_args()
    wanted = given.parts or PARTS
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    report = Report()
    print(f"{platform.platform()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as place, model.running(Path(place)) as scripted:
        home = Path(place)
        if "start" in wanted:
            start(report, home)
        if "turns" in wanted:
            asyncio.run(turns.compare(report, home, scripted, given.rounds))
        if "memory" in wanted:
            asyncio.run(turns.memory(report, home, scripted))
        if "crowd" in wanted:
            uvloop.run(crowd.watch(report, home, scripted))
        if "appends" in wanted:
            uvloop.run(rows.appends(report, home, scripted))
        if "pages" in wanted:
            rows.pages(report, home)
        if "checkpoints" in wanted:
            checkpoints.readings(report, home)
        if "isolation" in wanted:
            isolation.starts(report)
            asyncio.run(isolation.turns(report, scripted, given.rounds))
    report.end()


main()

"""`loop-agent chaos`: proves on this machine that nothing is lost when things die."""

from __future__ import annotations

import argparse
import secrets
import shutil
import tempfile
import time
from pathlib import Path

_ROUND_SECONDS = 40.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--minutes", type=float, default=2.0, help="how long [2]")
    parser.add_argument("--seed", help="draw the same decisions as the run with this seed")
    parser.add_argument("--sessions", type=int, default=6, help="sessions at once [6]")
    parser.add_argument("--isolation", default="none", help="isolation level of the agents [none]")


def run(arguments: argparse.Namespace) -> int:
    """Run rounds until the time is over; 0 if all was sound, 1 after the first unsound round."""
    import anyio

    from loopagent.cli.chaos import report
    from loopagent.cli.chaos.plan import make_round
    from loopagent.cli.chaos.round import Outcome, Round
    from loopagent.cli.chaos.server import ServerUnderTest

    seed = arguments.seed or secrets.token_hex(4)
    home = Path(tempfile.mkdtemp(prefix="loop-agent-chaos-"))
    deadline = time.monotonic() + arguments.minutes * 60
    outcomes: list[Outcome] = []
    print(f"seed {seed}, below {home}", flush=True)

    async def play(number: int, seconds: float) -> Outcome:
        server = ServerUnderTest(home / f"round{number}", arguments.isolation, arguments.sessions)
        try:
            server.start()
            await server.ready()
            return await Round(make_round(seed, number, seconds, arguments.sessions), server).run()
        finally:
            with anyio.CancelScope(shield=True):
                await server.kill()

    while not outcomes or (time.monotonic() < deadline and not outcomes[-1].violations):
        seconds = min(_ROUND_SECONDS, arguments.minutes * 60)
        outcomes.append(anyio.run(play, len(outcomes) + 1, seconds))
        print(report.round_line(len(outcomes), outcomes[-1]), flush=True)
    print(report.summary(seed, outcomes))
    for text in outcomes[-1].violations:
        print(f"VIOLATION {text}")
    if outcomes[-1].violations:
        print(f"Replay it with --seed {seed}; logs and workspaces are below {home}")
        return 1
    shutil.rmtree(home, ignore_errors=True)
    return 0

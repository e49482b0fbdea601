"""Runs the scripted model by itself, for development: `python -m loopagent.scripted`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from loopagent.errors import LoopError
from loopagent.scripted.model import ScriptedModel


async def _serve(port: int, script: Path | None) -> None:
    model = ScriptedModel(script, port=port)
    base_url = await model.start()
    sys.stdout.write(f"{base_url}\n")
    sys.stdout.flush()
    try:
        # For ever on purpose: it ends by Ctrl-C.
        await asyncio.Event().wait()
    finally:
        await model.stop()


def main() -> int:
    """Serve until interrupted; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loopagent.scripted", description=__doc__)
    parser.add_argument("--port", type=int, default=8585)
    parser.add_argument("--script", type=Path, default=None, help="YAML or JSON file of rules")
    given = parser.parse_args()
    try:
        asyncio.run(_serve(given.port, given.script))
    except KeyboardInterrupt:
        return 0
    except (OSError, LoopError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

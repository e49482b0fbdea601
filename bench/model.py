"""The scripted model in a process of its own, the same for us and for the floor.

It notes when each word was due to leave, so that the age of what a viewer gets can be told.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from aiohttp import web

from loopagent.scripted import stream
from loopagent.scripted.model import ScriptedModel


class Model:
    """Its address, and what it has sent."""

    def __init__(self, url: str, notes: Path) -> None:
        self.url = url
        self._notes = notes

    @property
    def settings(self) -> dict[str, str]:
        """What makes a server of ours talk to it."""
        return {"ANTHROPIC_BASE_URL": self.url, "ANTHROPIC_API_KEY": "invented"}

    def due(self, words: int) -> list[float]:
        """When each word of the last answer of so many was due, by the monotonic clock."""
        answers = [json.loads(line) for line in self._notes.read_text().splitlines()]
        return [float(at) for at in next(a for a in reversed(answers) if len(a) == words)]


@contextmanager
def running(home: Path) -> Iterator[Model]:
    """The model, ended with the block."""
    notes = home / "model.jsonl"
    command = [sys.executable, "-m", "bench.model", str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Model(process.stdout.readline().strip(), notes)
        finally:
            process.kill()


def _note_sends(notes: TextIO) -> None:
    send = stream.send

    async def noted(response: web.StreamResponse, frames: Iterator[stream.Frame]) -> None:
        began = time.monotonic()
        due: list[float] = []

        def passing() -> Iterator[stream.Frame]:
            for frame in frames:
                if frame.data is not None and b"text_delta" in frame.data:
                    due.append(began + frame.at)
                yield frame

        await send(response, passing())
        print(json.dumps(due), file=notes, flush=True)

    stream.send = noted


async def _serve(notes: Path) -> None:
    with notes.open("a") as file:
        _note_sends(file)
        print(await ScriptedModel().start(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))

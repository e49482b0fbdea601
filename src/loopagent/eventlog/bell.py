"""The bell of one session: wakes everybody who waits for news of it. It carries no news itself."""

from __future__ import annotations

import asyncio


class Bell:
    """Take `rings` before looking for news, then `wait` for more: no ring in between is missed.

    All waiters share one event, so that ringing costs the same for one and for hundreds.
    """

    def __init__(self) -> None:
        self.rings = 0
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake all that wait. Only from the loop's thread."""
        self.rings += 1
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, heard: int) -> None:
        """Return once the bell has rung more often than `heard`, which may be at once.

        Without limit on purpose: the log rings every few seconds for its ping, and when it closes.
        """
        while self.rings == heard:
            await self._next.wait()

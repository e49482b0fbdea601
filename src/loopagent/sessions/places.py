"""Places among the live processes: so many at once, and who waits gets the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from loopagent.sessions.run import Run, make_room

_LOOK_AGAIN = 0.25  # seconds


class Places:
    """`most` places. live: the runs that hold one."""

    def __init__(self, most: int, live: Callable[[], Sequence[Run]]) -> None:
        self._most = most
        self._live = live
        self._changed = anyio.Condition()

    @property
    def is_free(self) -> bool:
        """True if a process could start at once."""
        return len(self._live()) < self._most

    async def take(self, run: Run) -> None:
        """Wait for a place: the least recently used idle process makes room."""
        async with self._changed:
            while not self.is_free:
                make_room(self._live())
                # For ever on purpose: the turn waits until a place is free, or is interrupted. A
                # turn that ends tells nobody here, so look again now and then.
                with anyio.move_on_after(_LOOK_AGAIN):
                    await self._changed.wait()
            run.waits = False

    async def given_back(self) -> None:
        """A run has ended: those that wait look again."""
        async with self._changed:
            self._changed.notify_all()

"""Functions that wait for a connection: a bounded line of them, and the threads that take them.

Knows nothing of databases. Waiters may sit in any event loop; results of one batch go to each
loop in a single call, because waking a loop costs more than a small query.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from loopagent.errors import ShuttingDownError, UnavailableError

T = TypeVar("T")

MAX_WAITING = 10_000


class Job(Generic[T]):
    """A function of a connection, and the one who waits for its result."""

    __slots__ = ("_waiter", "fn", "loop")

    def __init__(self, fn: Callable[[Connection], T]) -> None:
        self.fn = fn
        self.loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[T] = self.loop.create_future()

    @property
    def is_abandoned(self) -> bool:
        """True once nobody waits for it any more."""
        return self._waiter.done()

    async def result(self) -> T:
        """What the function gave; raises what it raised."""
        return await self._waiter

    def settle(self, value: Any, error: Exception | None) -> None:
        """Wake the waiter, if there still is one. Only in its own loop."""
        if self._waiter.done():
            return
        if error is None:
            self._waiter.set_result(value)
        else:
            self._waiter.set_exception(error)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a value, or the error that its waiter gets."""

    job: Job[Any]
    value: Any = None
    error: Exception | None = None


def deliver(outcomes: Iterable[Outcome]) -> None:
    """Give results to their waiters, each in its own loop. From any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, settled in by_loop.items():
        # A loop that was closed in between has no waiters left.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, settled)


def _settle(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        outcome.job.settle(outcome.value, outcome.error)


class Line:
    """A bounded line of jobs, and threads that take up to `batch` of them at a time.

    work: called with the jobs of a batch; must deliver each of them and never raise.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Job[Any]]], None],
        *,
        threads: int = 1,
        batch: int = 1,
        bound: int = MAX_WAITING,
    ) -> None:
        self._work = work
        self._batch = batch
        self._bound = bound
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._is_closed = False
        # Daemons: a process that ends without `close` must not wait for them.
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job[Any]) -> None:
        """Let a job wait. Raises UnavailableError if too many do, ShuttingDownError after close."""
        # Held for a moment only: nobody may come in behind the marks that `close` leaves.
        with self._gate:
            if self._is_closed:
                raise ShuttingDownError("The server is ending. Try again in a moment.")
            if self._jobs.qsize() >= self._bound:
                raise UnavailableError("The database can't keep up. Try again in a moment.")
            self._jobs.put(job)

    def close(self, within: float) -> None:
        """Finish what waits, at most `within` seconds, and end the threads. May be repeated."""
        with self._gate:
            if not self._is_closed:
                self._is_closed = True
                for _ in self._threads:
                    self._jobs.put(None)
        deadline = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        for batch in self._batches():
            self._work(batch)

    def _batches(self) -> Iterator[list[Job[Any]]]:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            with contextlib.suppress(Empty):
                while len(batch) < self._batch:
                    following = self._jobs.get_nowait()
                    if following is None:
                        self._jobs.put(None)  # seen again once this batch is done
                        break
                    batch.append(following)
            yield batch

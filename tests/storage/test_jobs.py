"""The line of jobs: bounded, in order, in batches, and never a waiter left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from loopagent.errors import ShuttingDownError, UnavailableError
from loopagent.storage.jobs import Job, Line, Outcome, deliver


class Counter:
    """Work that stands still until it may go, and remembers its batches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.batches: list[list[Any]] = []

    def __call__(self, batch: list[Job[Any]]) -> None:
        self.begun.release()
        self.go.wait(10)
        self.batches.append([job.fn(None) for job in batch])  # type: ignore[arg-type]
        deliver([Outcome(job, job.fn(None)) for job in batch])  # type: ignore[arg-type]


@pytest.fixture
def work() -> Iterator[Counter]:
    counter = Counter()
    yield counter
    counter.go.set()


def a_job(value: int) -> Job[int]:
    return Job(lambda _: value)


async def test_what_waits_is_taken_together_in_order_up_to_a_batch(work: Counter) -> None:
    line = Line("test", work, batch=3)
    jobs = [a_job(number) for number in range(6)]
    line.put(jobs[0])
    await anyio.to_thread.run_sync(work.begun.acquire)
    for job in jobs[1:]:
        line.put(job)
    work.go.set()
    assert [await job.result() for job in jobs] == list(range(6))
    assert work.batches == [[0], [1, 2, 3], [4, 5]]
    line.close(5)


async def test_a_full_line_refuses_at_once_and_takes_more_later(work: Counter) -> None:
    line = Line("test", work, bound=2)
    first = a_job(1)
    line.put(first)
    await anyio.to_thread.run_sync(work.begun.acquire)
    waiting = [a_job(2), a_job(3)]
    for job in waiting:
        line.put(job)
    with pytest.raises(UnavailableError, match="Try again"):
        line.put(a_job(4))
    work.go.set()
    assert [await job.result() for job in (first, *waiting)] == [1, 2, 3]
    late = a_job(5)
    line.put(late)
    assert await late.result() == 5
    line.close(5)


async def test_closing_finishes_the_line_and_may_be_repeated(work: Counter) -> None:
    line = Line("test", work, batch=10)
    first, second, third = a_job(1), a_job(2), a_job(3)
    line.put(first)
    await anyio.to_thread.run_sync(work.begun.acquire)
    line.put(second)
    line.put(third)
    line.close(0)
    with pytest.raises(ShuttingDownError):
        line.put(a_job(4))
    work.go.set()
    line.close(5)
    assert [await job.result() for job in (first, second, third)] == [1, 2, 3]
    assert work.batches == [[1], [2, 3]]


async def test_an_error_reaches_its_waiter() -> None:
    job = a_job(1)
    deliver([Outcome(job, error=ValueError("no"))])
    with pytest.raises(ValueError, match="no"):
        await job.result()


async def test_a_result_for_a_waiter_who_left_goes_nowhere() -> None:
    job = a_job(1)
    with anyio.move_on_after(0):
        await job.result()
    assert job.is_abandoned
    job.settle(1, None)
    job.settle(None, ValueError("no"))


def test_a_result_for_a_loop_that_has_closed_goes_nowhere() -> None:
    async def make() -> Job[int]:
        return a_job(1)

    deliver([Outcome(asyncio.run(make()), 1)])

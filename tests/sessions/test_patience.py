"""Work that waits for a database, and what ends the waiting."""

from __future__ import annotations

import anyio
import pytest

from loopagent.domain.ids import SessionId, new_session_id
from loopagent.errors import NotFoundError, StorageError
from loopagent.sessions import patience
from loopagent.sessions.patience import persist

SESSION = new_session_id()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "AGAIN_AFTER", 0.0)


class Work:
    """Fails with each of `failures` in turn, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tries = 0

    async def __call__(self, session_id: SessionId) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([], 1),
        ([StorageError("full"), StorageError("full")], 3),
        ([NotFoundError("deleted"), StorageError("never reached")], 1),
        ([StorageError("full"), RuntimeError("a bug"), StorageError("never reached")], 2),
    ],
)
async def test_only_a_failing_database_is_waited_for(
    failures: list[Exception], tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(*failures)
    with anyio.fail_after(5):
        await persist(work, SESSION, set())
    assert work.tries == tries
    assert ("a bug" in caplog.text) == any(isinstance(one, RuntimeError) for one in failures)


async def test_nothing_is_done_again_for_a_session_that_went_on_meanwhile() -> None:
    work = Work(StorageError("full"))
    with anyio.fail_after(5):
        await persist(work, SESSION, {SESSION})
    assert work.tries == 1

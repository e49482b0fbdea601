"""A database on disk, and a clock that the tests turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loopagent.storage.database import Database


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"file:{tmp_path}/data/sessions.db")
    yield database
    database.close()

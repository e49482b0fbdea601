"""A running scripted model with a client, for every test here that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from loopagent.scripted import ScriptedModel
from tests.scripted.messages import Client, connected


@pytest.fixture
async def both() -> AsyncIterator[tuple[ScriptedModel, Client]]:
    async with connected() as pair:
        yield pair


@pytest.fixture
def model(both: tuple[ScriptedModel, Client]) -> ScriptedModel:
    return both[0]


@pytest.fixture
def client(both: tuple[ScriptedModel, Client]) -> Client:
    return both[1]

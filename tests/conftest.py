"""What every test shares: async tests run on asyncio, and may ask that nothing blocks the loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

# An example's time says more about the machine's load than about us.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def free_loop() -> Iterator[None]:
    """Raises in our code where it would block the event loop: disk, sockets, sleep.

    A room opts in by `pytestmark = pytest.mark.usefixtures("free_loop")`; it is no rule for all,
    because the SDK looks for its program on the disk when a client connects.
    """
    with blockbuster_ctx("loopagent"):
        yield

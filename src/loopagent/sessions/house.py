"""What is done now and then for all sessions: idle processes end, lost turns are found."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import anyio

from loopagent.config import Settings
from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError
from loopagent.sessions.comeback import Comeback
from loopagent.sessions.run import Run, close_idle_since, close_waiting_since

log = logging.getLogger(__name__)

_TICK = 1.0
LOOK_EVERY = 30.0  # seconds


class House:
    """live: the runs with a process. has_run, take_up: whether a session has a run; start one."""

    def __init__(
        self,
        settings: Settings,
        comeback: Comeback,
        *,
        live: Callable[[], Sequence[Run]],
        has_run: Callable[[SessionId], bool],
        take_up: Callable[[SessionId], None],
    ) -> None:
        self._settings = settings
        self._comeback = comeback
        self._live = live
        self._has_run = has_run
        self._take_up = take_up

    async def keep(self) -> None:
        """Work until cancelled."""
        looked_at = time.monotonic()
        while True:
            await anyio.sleep(_TICK)
            now = time.monotonic()
            if now - looked_at > LOOK_EVERY:
                looked_at = now
                await self._look_for_lost()
            close_idle_since(self._live(), now - self._settings.idle_minutes * 60)
            close_waiting_since(self._live(), now - self._settings.ask_minutes * 60)

    async def _look_for_lost(self) -> None:
        try:
            lost = await self._comeback.look_for_lost(self._has_run)
        except LoopError as error:  # the database is away; the next look is soon
            log.warning("no look at lost turns: %s", error.message)
            return
        for session_id in lost:
            self._take_up(session_id)

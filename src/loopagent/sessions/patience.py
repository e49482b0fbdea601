"""Work on a session that is not given up because the database is away for a while."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container
from typing import TypeAlias

import anyio

from loopagent.domain.ids import SessionId
from loopagent.errors import NotFoundError, UnavailableError

log = logging.getLogger(__name__)

AGAIN_AFTER = 2.0

OfSession: TypeAlias = Callable[[SessionId], Awaitable[None]]


async def persist(work: OfSession, session_id: SessionId, running: Container[SessionId]) -> None:
    """Do it, again and again while the database fails: a full disk must not leave a turn hanging.

    Ends early once the session is among the `running`: then it went on in another way. Whatever
    else fails is logged, since one session's trouble must not end the others'.
    """
    try:
        while True:
            try:
                await work(session_id)
                return
            except UnavailableError as error:
                log.warning("%s waits for the database: %s", session_id, error.message)
            # For ever on purpose, like a turn that waits for a free place.
            await anyio.sleep(AGAIN_AFTER)
            if session_id in running:
                return
    except NotFoundError:
        log.info("%s was deleted meanwhile", session_id)
    except Exception:  # see above
        log.exception("recovery of %s failed", session_id)

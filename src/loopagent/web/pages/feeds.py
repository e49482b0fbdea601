"""The feeds of all sessions that somebody watches: one each, begun with the first viewer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from loopagent.auth.principal import Principal
from loopagent.domain.ids import SessionId
from loopagent.domain.session import Session
from loopagent.errors import UnavailableError
from loopagent.web.pages.feed import Feed
from loopagent.web.services import Services


class Feeds:
    """Starts feeds; they end by themselves some seconds after their last viewer has left."""

    def __init__(self, services: Services, group: TaskGroup) -> None:
        self._services = services
        self._group = group
        self._feeds: dict[SessionId, Feed] = {}

    async def of(self, who: Principal, session: Session) -> Feed:
        """The feed of a session that `who` may see; raises UnavailableError."""
        feed = self._feeds.get(session.id)
        if feed is None or feed.is_closed:
            feed = self._feeds[session.id] = Feed(self._services, who, session)
            self._group.start_soon(self._run, feed, session.id, name=f"feed {session.id}")
        await feed.ready.wait()
        if feed.is_closed:
            raise UnavailableError("The live view cannot be opened now. Reload the page.")
        return feed

    async def _run(self, feed: Feed, session_id: SessionId) -> None:
        try:
            await feed.run()
        finally:
            if self._feeds.get(session_id) is feed:
                del self._feeds[session_id]


@asynccontextmanager
async def open_feeds(services: Services) -> AsyncIterator[Feeds]:
    """Feeds for as long as the app runs."""
    async with anyio.create_task_group() as group:
        yield Feeds(services, group)
        group.cancel_scope.cancel()

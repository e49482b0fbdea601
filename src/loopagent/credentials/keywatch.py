"""Whether the model's API takes the server's key: noticed by the proxy, then asked until it does."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from loopagent.credentials.upstream import KeyState, Upstream
from loopagent.domain.ids import SessionId

log = logging.getLogger(__name__)

_ASK_AGAIN = 30.0  # seconds; the question is free of charge


class KeyWatch:
    """Knows the state of the key. `every`: seconds between two questions while it is refused."""

    def __init__(self, upstream: Upstream, *, every: float = _ASK_AGAIN) -> None:
        self._upstream = upstream
        self._every = every
        self._refused = anyio.Event()
        self.state: KeyState = "ok" if upstream.api_key else "missing"

    def rejected(self, session_id: SessionId) -> None:
        """The API has refused the key, or there is none."""
        log.warning("%s: the model's API takes no key of ours", session_id)
        if self.state == "ok":
            self.state = "rejected"
        self._refused.set()

    async def run(self, on_accepted: Callable[[], Awaitable[None]]) -> None:
        """Ask now, and after each refusal until the key is taken; then `on_accepted`.

        A key that is taken when asked and refused in use would go round for ever: it is called only
        at the start and where the question itself was answered with a refusal before.
        """
        is_news = True
        while True:
            while (state := await self._upstream.check()) != "ok":
                self.state, is_news = state, True
                await anyio.sleep(self._every)
            self.state = "ok"
            if is_news:
                await on_accepted()
            is_news = False
            # For ever on purpose: there is nothing to do until the proxy meets a refusal.
            await self._refused.wait()
            self._refused = anyio.Event()

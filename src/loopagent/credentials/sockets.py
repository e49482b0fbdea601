"""What the proxy listens with: its HTTP server, and sockets in the file system."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import anyio
from aiohttp import web

from loopagent.domain.ids import SessionId

MAX_HEADER = 32_768
_BACKLOG = 64
_STOP_SECONDS = 0.5

Answer: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def serving(answer: Answer) -> web.ServerRunner:
    """A server that is ready to be given addresses."""
    # When the agent program goes away, its request to the API is cancelled, too.
    server = web.Server(
        answer,
        handler_cancellation=True,
        access_log=None,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    return runner


class Sockets:
    """Sockets that each serve one session alone; the token is still needed.

    answer: answers a request that came by the socket of the session named.
    """

    def __init__(
        self, answer: Callable[[web.BaseRequest, SessionId], Awaitable[web.StreamResponse]]
    ) -> None:
        self._answer = answer
        self._runners: dict[SessionId, web.ServerRunner] = {}

    async def open(self, session_id: SessionId, path: Path) -> None:
        """Listen at `path`, and nowhere else any more for this session; raises OSError."""
        await self.close(session_id)
        listener = await anyio.to_thread.run_sync(socket_at, path)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self._answer(request, session_id)

        self._runners[session_id] = runner = await serving(answer)
        await web.SockSite(runner, listener).start()

    async def close(self, session_id: SessionId) -> None:
        """Stop listening for a session; nothing happens if nobody does."""
        runner = self._runners.pop(session_id, None)
        if runner is not None:
            await runner.cleanup()

    async def close_all(self) -> None:
        """Stop listening for every session."""
        for session_id in list(self._runners):
            await self.close(session_id)


def socket_at(path: Path) -> socket.socket:
    """A new socket at `path`, which only its owner may use; raises OSError.

    What was there before, such as the socket of a server that was killed, is replaced.
    """
    with suppress(FileNotFoundError):
        path.unlink()
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket's address has room for a hundred bytes only, and folders are deep.
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener

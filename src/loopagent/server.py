"""The server: a port, the app on top of the services, and the order of start and stop.

The heavy parts are imported while the port is open already: a request that comes early waits for
its answer instead of being refused.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio

from loopagent import __version__
from loopagent.config import Settings
from loopagent.errors import SettingsError

log = logging.getLogger(__name__)

_BACKLOG = 2048
_OTHER_ADDRESS = "Choose an address of this machine with HOST=…, and a free port with PORT=…"
_GRACE = 5  # seconds for answers under way at shutdown


async def serve(settings: Settings, greet: Callable[[str, str | None], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError if the port can't be had.

    greet: is told the server's address, and the secret of the set-up link if one is needed.
    """
    listener = bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    import uvicorn

    from loopagent.services import open_services
    from loopagent.web.app import create_app
    from loopagent.web.connection import Connection
    from loopagent.web.rehearsal import rehearse

    async with open_services(settings) as services, anyio.create_task_group() as tasks:
        app = create_app(services)
        config = uvicorn.Config(
            app,
            http=Connection,
            log_config=None,
            lifespan="on",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=75,
            # Who is behind a proxy is the gate's business: see web.forwarding.
            proxy_headers=False,
        )

        class Server(uvicorn.Server):
            """Ends the streams first: otherwise each open page would hold up the shutdown."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                tasks.start_soon(rehearse, app, services, name="rehearsal")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                await services.log.close()
                await super().shutdown(sockets)

        with _announced(settings.data_dir, url):
            greet(url, await services.auth.new_set_up_link())
            for number in (signal.SIGINT, signal.SIGTERM):
                # uvicorn raises the signal that ended it once more: then there is nothing to do.
                signal.signal(number, lambda *_: None)
            await Server(config).serve(sockets=[listener])
        tasks.cancel_scope.cancel()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises SettingsError naming the next step."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, so that asyncio's own loop, too, sends small pieces at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        listener.close()
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise SettingsError(
            f"Can't listen on {host}:{port}: {getattr(error, 'strerror', error)}. "
            + ("Stop what uses it, or choose another with PORT=…" if is_taken else _OTHER_ADDRESS)
        ) from error
    return listener


@contextlib.contextmanager
def _announced(data_dir: Path, url: str) -> Iterator[None]:
    """Tell the command line where the server is."""
    note = data_dir / "server.json"
    facts: dict[str, Any] = {"url": url, "pid": os.getpid(), "version": __version__}
    draft = note.with_suffix(".new")
    draft.write_text(json.dumps(facts))
    draft.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)

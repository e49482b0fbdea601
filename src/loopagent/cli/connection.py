"""Where the verbs find a server: the one that runs, or one of their own for the while."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx

from loopagent.config import Settings, read_settings
from loopagent.errors import LoopError, UnavailableError

_START_WITHIN = 30.0


@contextlib.contextmanager
def connect() -> Iterator[httpx.Client]:
    """A client of the running server, or of one that is started and ended with the block."""
    settings = read_settings(os.environ)
    url = running_server(settings)
    with contextlib.ExitStack() as stack:
        if url is None:
            url = stack.enter_context(_own_server(settings))
        secret = settings.token or settings.password
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        yield stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=60))


def running_server(settings: Settings) -> str | None:
    """The address of the server that uses this data folder; None if none answers."""
    try:
        url = json.loads((settings.data_dir / "server.json").read_text())["url"]
        return str(url) if httpx.get(f"{url}/healthz", timeout=3).is_success else None
    except (OSError, ValueError, httpx.HTTPError):
        return None


@contextlib.contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    """A server as a child process: secrets and signals are handled as in any other."""
    environ = {**os.environ, "HOST": "127.0.0.1", "PORT": "0", "LOOP_AGENT_LOG_LEVEL": "ERROR"}
    child = subprocess.Popen(
        [sys.executable, "-m", "loopagent", "serve"],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # A Ctrl-C is for this command; it ends the child itself.
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _START_WITHIN
        while (url := running_server(settings)) is None:
            if child.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError("The server did not start. Run `loop-agent doctor`.")
            time.sleep(0.05)
        yield url
    finally:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one; raises LoopError with the server's words otherwise."""
    if answer.is_success:
        return answer
    answer.read()
    try:
        message = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = f"The server answered {answer.status_code}."
    raise LoopError(message)

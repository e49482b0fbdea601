"""`loop-agent chat` in a real terminal: asks are answered, Ctrl-C stops a turn."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import ServerProcess, server_process

pytestmark = pytest.mark.slow


class Terminal:
    """A command at one end of a terminal, the test at the other."""

    def __init__(self, place: ServerProcess, *words: str) -> None:
        self._test, command = pty.openpty()
        self._seen = ""
        self.process = subprocess.Popen(
            # Ctrl-C reaches the command only from a terminal that is its own.
            ["setsid", "--ctty", sys.executable, "-m", "loopagent", *words],
            env=place.environment() | {"TERM": "dumb"},
            stdin=command,
            stdout=command,
            stderr=command,
        )
        os.close(command)

    def sees(self, words: str, seconds: float = 40) -> str:
        """Wait for words; gives what was shown up to them."""
        deadline = time.monotonic() + seconds
        while words not in self._seen:
            ready, _, _ = select.select([self._test], [], [], 0.5)
            if ready:
                self._seen += os.read(self._test, 65536).decode(errors="replace")
            assert time.monotonic() < deadline, (words, self._seen)
        shown, _, self._seen = self._seen.partition(words)
        return shown

    def types(self, text: str) -> None:
        os.write(self._test, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        os.close(self._test)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def chat(server: ServerProcess) -> Iterator[Terminal]:
    terminal = Terminal(server, "chat")
    yield terminal
    terminal.close()


def test_a_conversation_with_asks_an_interrupt_and_a_new_session(
    server: ServerProcess, chat: Terminal
) -> None:
    chat.sees("> ")
    for reply, made in (("y", True), ("n", False), ("use another name", False)):
        name = f"made-{reply[0]}"
        chat.types(f'[[tool: Bash {{"command":"touch {name}"}}]] [[text: over]]\r')
        chat.sees(f"touch {name}\r\n")
        chat.sees("what to do instead: ")
        chat.types(f"{reply}\r")
        chat.sees("over")
        chat.sees("> ")
        assert bool(list(server.workspaces.glob(f"*/workspace/{name}"))) == made
    chat.types("[[stream: 5000 @ 50]]\r")
    chat.sees("w3 ")
    chat.types("\x03")
    chat.sees("> ")
    chat.types("/new\r")
    chat.sees("session sesn_")
    chat.sees("> ")
    chat.types("[[text: fresh]]\r")
    chat.sees("fresh\r\n")
    chat.sees("> ")
    chat.types("/quit\r")
    assert chat.process.wait(20) == 0
    with server.client() as client:
        assert len(client.get("/api/sessions").json()["data"]) == 2


def test_the_end_of_the_input_ends_the_chat(chat: Terminal) -> None:
    chat.sees("> ")
    chat.types("\x04")
    assert chat.process.wait(20) == 0


def test_deleting_asks_first(server: ServerProcess) -> None:
    with server.client() as client:
        session = client.post("/api/sessions", json={}).json()["id"]
        for reply, status in (("n", 200), ("y", 404)):
            terminal = Terminal(server, "rm", session)
            terminal.sees("[y/N] ")
            terminal.types(f"{reply}\r")
            terminal.process.wait(20)
            terminal.close()
            assert client.get(f"/api/sessions/{session}").status_code == status

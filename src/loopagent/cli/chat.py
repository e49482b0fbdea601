"""`loop-agent chat`: a conversation in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import sys

from loopagent.cli.connection import checked, connect
from loopagent.cli.terminal import Screen
from loopagent.cli.turn import play


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--session", help="go on with this session")
    parser.add_argument("--model", help="model of a new session")


def run(arguments: argparse.Namespace) -> int:
    """Talk until /quit or the end of the input."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  it gives `input` its history
    with connect() as client:
        body = {"model": arguments.model} if arguments.model else {}
        session = arguments.session or checked(client.post("/api/sessions", json=body)).json()["id"]
        print(f"session {session}; /new starts another, /quit ends", file=sys.stderr)
        screen = Screen(as_json=False)
        while True:
            try:
                prompt = input("> ").strip()
            except EOFError:
                return 0
            if prompt == "/quit":
                return 0
            if prompt == "/new":
                session = checked(client.post("/api/sessions", json=body)).json()["id"]
                print(f"session {session}", file=sys.stderr)
            elif prompt:
                play(client, session, prompt, screen)

"""`loop-agent stop`: end the turn of a session, or all that runs in all sessions."""

from __future__ import annotations

import argparse

from loopagent.cli.connection import checked, connect
from loopagent.errors import InvalidRequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("session", nargs="?", help="the session's id")
    parser.add_argument(
        "--all", action="store_true", help="all sessions; what waits in them is held"
    )


def run(arguments: argparse.Namespace) -> int:
    """Stop it, or them; `loop-agent resume` lets it go on."""
    if bool(arguments.session) == arguments.all:
        raise InvalidRequestError("Name one session, or say --all.")
    with connect() as client:
        if arguments.all:
            for session in checked(client.post("/api/stop")).json()["stopped"]:
                print(f"stopped {session}")
        else:
            checked(client.post(f"/api/sessions/{arguments.session}/interrupt"))
            print(f"stopped {arguments.session}")
    return 0

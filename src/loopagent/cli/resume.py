"""`loop-agent resume`: let a session that was stopped, lost or has failed go on, or all of them."""

from __future__ import annotations

import argparse

from loopagent.cli.connection import checked, connect
from loopagent.errors import InvalidRequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("session", nargs="?", help="the session's id")
    parser.add_argument("--all", action="store_true", help="all that were stopped together")


def run(arguments: argparse.Namespace) -> int:
    """Let it, or them, go on."""
    if bool(arguments.session) == arguments.all:
        raise InvalidRequestError("Name one session, or say --all.")
    with connect() as client:
        if arguments.all:
            for session in checked(client.post("/api/resume")).json()["resumed"]:
                print(f"resumed {session}")
        else:
            checked(client.post(f"/v1/sessions/{arguments.session}/resume"))
            print(f"resumed {arguments.session}")
    return 0

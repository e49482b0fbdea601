"""`loop-agent rm`: delete sessions."""

from __future__ import annotations

import argparse

from loopagent.cli.connection import checked, connect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("sessions", nargs="+", metavar="session", help="the sessions' ids")
    parser.add_argument("--yes", action="store_true", help="don't ask")


def run(arguments: argparse.Namespace) -> int:
    """Delete them, after a question; their folders go to the trash."""
    if not arguments.yes:
        reply = input(f"Delete {len(arguments.sessions)} session(s) and their workspaces? [y/N] ")
        if reply.strip().lower() not in {"y", "yes"}:
            return 1
    with connect() as client:
        for session in arguments.sessions:
            checked(client.delete(f"/api/sessions/{session}"))
            print(f"deleted {session}")
    return 0

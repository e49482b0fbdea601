"""`loop-agent ls`: the sessions."""

from __future__ import annotations

import argparse
import json

from loopagent.cli.connection import checked, connect
from loopagent.cli.terminal import safe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    parser.add_argument("--all", action="store_true", help="archived ones, too")


def run(arguments: argparse.Namespace) -> int:
    """Print the newest 100 sessions."""
    query = {"limit": "100", "include_archived": str(arguments.all).lower()}
    with connect() as client:
        for session in checked(client.get("/v1/sessions", params=query)).json()["data"]:
            if arguments.json:
                print(json.dumps(session, ensure_ascii=False))
                continue
            state = "asks" if session["loop"]["asks"] else session["status"]
            title = safe(session["title"] or "Untitled")
            print(f"{session['id']}  {state:12} {session['updated_at'][:16]}  {title}")
    return 0

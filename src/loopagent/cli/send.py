"""`loop-agent send`: a message to a session, without waiting for its turn."""

from __future__ import annotations

import argparse
import sys

from loopagent.cli.connection import checked, connect
from loopagent.errors import InvalidRequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("session", help="the session's id")
    parser.add_argument("prompt", help="what to say; - reads it from standard input")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--steer", action="store_true", help="the running turn sees it at its next tool call"
    )
    how.add_argument("--interrupt", action="store_true", help="stop the running turn for it")


def run(arguments: argparse.Namespace) -> int:
    """Send it; while a turn runs it waits, unless it is told otherwise."""
    prompt = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    if not prompt.strip():
        raise InvalidRequestError("The message is empty. Write what the agent should do.")
    mode = "steer" if arguments.steer else "interrupt" if arguments.interrupt else "queue"
    message = {
        "type": "user.message",
        "content": [{"type": "text", "text": prompt}],
        "loop": {"mode": mode},
    }
    with connect() as client:
        url = f"/v1/sessions/{arguments.session}/events"
        sent = checked(client.post(url, json={"events": [message]})).json()["data"][0]
    print(f"{'sent' if sent['processed_at'] else 'waits'} {sent['id']}")
    return 0

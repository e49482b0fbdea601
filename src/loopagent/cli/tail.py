"""`loop-agent tail`: a session's log, as it grows."""

from __future__ import annotations

import argparse

from loopagent.cli.connection import checked, connect
from loopagent.cli.terminal import Screen
from loopagent.cli.turn import follow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("session", help="the session's id")
    parser.add_argument("-n", type=int, default=50, help="how many past events [50]")
    parser.add_argument("--no-follow", action="store_true", help="stop at the present")
    parser.add_argument("--json", action="store_true", help="print one JSON event per line")


def run(arguments: argparse.Namespace) -> int:
    """Print the last events, then those that come."""
    screen = Screen(as_json=arguments.json)
    with connect() as client:
        url = f"/v1/sessions/{arguments.session}/events"
        count = max(1, min(arguments.n, 1000))
        query = {"order": "desc", "limit": str(count)}
        past = checked(client.get(url, params=query)).json()["data"]
        for event in reversed(past):
            screen.show(event)
        if arguments.no_follow:
            return 0
        for event in follow(client, arguments.session, past[0]["seq"] if past else 0):
            screen.show(event)
    return 0

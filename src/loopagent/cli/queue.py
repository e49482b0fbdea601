"""`loop-agent queue`: the messages of a session that wait for their turn."""

from __future__ import annotations

import argparse

from loopagent.cli.connection import checked, connect
from loopagent.cli.terminal import safe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("session", help="the session's id")
    parser.add_argument("--remove", metavar="MESSAGE", help="take this message out")
    parser.add_argument("--clear", action="store_true", help="take all messages out")


def run(arguments: argparse.Namespace) -> int:
    """Print what waits, the next one first, after what was to be taken out."""
    url = f"/v1/sessions/{arguments.session}/queue"
    with connect() as client:
        if arguments.clear:
            checked(client.delete(url))
        elif arguments.remove:
            checked(client.delete(f"{url}/{arguments.remove}"))
        for message in checked(client.get(url)).json()["data"]:
            text = " ".join(block.get("text", "") for block in message["content"])
            mode = (message.get("loop") or {}).get("mode", "queue")
            print(f"{message['id']}  {mode:9} {' '.join(safe(text).split())[:100]}")
    return 0

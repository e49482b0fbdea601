"""`loop-agent run`: one prompt, in the terminal."""

from __future__ import annotations

import argparse
import sys

from loopagent.cli.connection import checked, connect
from loopagent.cli.terminal import Screen
from loopagent.cli.turn import play
from loopagent.errors import InvalidRequestError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("prompt", help="what the agent should do; - reads it from standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON event per line")
    parser.add_argument("--session", help="go on with this session")
    parser.add_argument("--model", help="model of a new session")
    parser.add_argument("--template", help="template of a new session's workspace")
    parser.add_argument("--yes", action="store_true", help="allow whatever the agent asks for")


def run(arguments: argparse.Namespace) -> int:
    """Run the prompt; 0 if its turn ended well."""
    prompt = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    if not prompt.strip():
        raise InvalidRequestError("The prompt is empty. Write what the agent should do.")
    with connect() as client:
        session = arguments.session
        if session is None:
            given = {"model": arguments.model, "template": arguments.template}
            body = {key: value for key, value in given.items() if value}
            session = checked(client.post("/api/sessions", json=body)).json()["id"]
        screen = Screen(as_json=arguments.json)
        code = play(client, session, prompt, screen, allow_all=arguments.yes)
        print(f"session {session}", file=sys.stderr)
        return code

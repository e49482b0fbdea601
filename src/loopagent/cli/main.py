"""The command `loop-agent`: reads its arguments and hands over to one verb.

Nothing heavy is imported before a verb is known: `--version` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from loopagent import __version__

VERBS = {
    "serve": "Run the server and its dashboard.",
    "run": "Run one prompt in the terminal.",
    "chat": "Talk to an agent in the terminal.",
    "ls": "List sessions.",
    "send": "Send a message to a session: to wait, to steer its turn, or to interrupt it.",
    "queue": "Show or clear the messages that wait in a session.",
    "stop": "Stop a session's turn, or everything.",
    "resume": "Let a session that was stopped go on, or all of them.",
    "tail": "Print a session's log and follow it.",
    "rm": "Delete sessions with their workspaces.",
    "user": "Set the password, if you are locked out.",
    "token": "Make, list and revoke tokens for programs.",
    "doctor": "Check the set-up and say what to mend.",
    "chaos": "Kill a server of its own again and again, and check that nothing is lost.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="loop-agent", description="A self-hosted home for Claude agents."
    )
    parser.add_argument("--version", action="version", version=f"loop-agent {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = next((word for word in given if not word.startswith("-")), None)
    for verb, summary in VERBS.items():
        part = verbs.add_parser(verb, help=summary, description=summary)
        if verb == named:
            importlib.import_module(f"loopagent.cli.{verb}").add_arguments(part)
    parsed = parser.parse_args(given)
    from loopagent.errors import LoopError

    try:
        code: int = importlib.import_module(f"loopagent.cli.{parsed.verb}").run(parsed)
    except LoopError as error:
        print(f"loop-agent: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code

"""`loop-agent serve`: the server, configured by the environment."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields

from loopagent.config import Settings, read_settings
from loopagent.credentials.secrets import forbid_inspection, hide_secrets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options; its help lists all settings."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", help="address to listen on, instead of HOST")
    parser.add_argument("--port", help="port to listen on, instead of PORT")
    parser.epilog = "settings (environment variables):\n" + "\n".join(
        f"  {spec.metadata['env']:28} {spec.metadata['help']} [{_default(spec.default)}]"
        for spec in fields(Settings)
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until the process is told to stop."""
    environ = hide_secrets(os.environ, sys.orig_argv)
    forbid_inspection()
    environ |= {"HOST": arguments.host} if arguments.host else {}
    environ |= {"PORT": arguments.port} if arguments.port else {}
    settings = read_settings(environ)

    import asyncio

    import uvloop

    from loopagent.server import serve
    from loopagent.telemetry import set_up_logging

    set_up_logging(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))
    return 0


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)

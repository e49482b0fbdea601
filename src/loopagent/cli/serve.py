"""`loop-agent serve`: the server, configured by the environment."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields

from loopagent import __version__
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
        runner.run(
            serve(settings, lambda url, link: print(greeting(settings, url, link), flush=True))
        )
    return 0


def greeting(settings: Settings, url: str, link: str | None) -> str:
    """What people read at the start. link: the secret that opens the set-up."""
    lines = [f"Loop Agent {__version__} is at {url}"]
    if settings.is_scripted:
        lines.append("No ANTHROPIC_API_KEY: sessions talk to the built-in scripted model.")
    if link:
        named = f"https://{settings.trusted_hosts[0]}" if settings.trusted_hosts else ""
        place = named or url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        lines += [
            "",
            "Others can reach this server and it has no password: it lets nobody in until",
            "you open this link, which works once, and choose one.",
            f"  {place}/set-up?link={link}",
            "From another machine, put this one's address in place of the one in the link.",
            "",
        ]
    return "\n".join(lines)


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)

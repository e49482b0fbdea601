"""`loop-agent doctor`: what the set-up is like, and what to mend."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from loopagent import __version__
from loopagent.cli.connection import running_server
from loopagent.config import Settings, read_settings
from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError

Grade = Literal["ok", "warn", "fail"]
Finding = tuple[Grade, str, str]

_LOW_DISK = 1 << 30
_KEYS: dict[str, Finding] = {
    "ok": ("ok", "key", "the model's API takes it"),
    "missing": ("fail", "key", "none: set ANTHROPIC_API_KEY"),
    "rejected": ("fail", "key", "rejected: set a valid ANTHROPIC_API_KEY"),
    "unreachable": ("fail", "key", "the API can't be reached: check ANTHROPIC_BASE_URL"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument(
        "--end-strays", action="store_true", help="end processes of sessions that have ended"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print all findings; 1 if something must be mended."""
    settings = read_settings(os.environ)
    findings = list(_findings(settings))
    findings += _strays(settings, end=arguments.end_strays)
    for grade, name, text in findings:
        print(f"{grade:5} {name:12} {text}")
    return 1 if any(grade == "fail" for grade, _, _ in findings) else 0


def _findings(settings: Settings) -> Iterator[Finding]:
    yield "ok", "version", f"Loop Agent {__version__}, Python {platform.python_version()}"
    yield _cli()
    yield _key(settings)
    yield from _sandbox(settings)
    url = running_server(settings)
    yield "ok", "server", f"runs at {url}" if url else "does not run now"
    yield from _folders(settings)
    yield _database(settings)


def _strays(settings: Settings, *, end: bool) -> Iterator[Finding]:
    """Processes that nobody owns: of deleted sessions, or of any while no server runs."""
    from loopagent.sandbox import processes

    known = _sessions(settings) if running_server(settings) else frozenset()
    strays = processes.strays(known, settings.workspace_root)
    if not strays:
        yield "ok", "strays", "no process is left of a session that has ended"
        return
    if end:
        ended = sum(processes.sweep(session) for session in {session for _, session in strays})
        yield "ok", "strays", f"{ended} ended"
        return
    for pid, session in strays:
        yield "warn", "strays", f"process {pid} of {session}: `loop-agent doctor --end-strays`"


def _sessions(settings: Settings) -> frozenset[SessionId]:
    from loopagent.storage import sessions
    from loopagent.storage.database import Database

    database = Database.open(settings.database_url)
    try:
        return asyncio.run(database.read(sessions.all_ids))
    finally:
        database.close()


def _cli() -> Finding:
    from loopagent.sandbox.program import cli_path, cli_version

    try:
        return "ok", "agent CLI", f"{cli_version()} at {cli_path()}"
    except LoopError as error:
        return "fail", "agent CLI", error.message


def _key(settings: Settings) -> Finding:
    if settings.is_scripted:
        return "ok", "model", "the built-in scripted model; set ANTHROPIC_API_KEY to use Claude"
    from loopagent.credentials.upstream import Upstream

    upstream = Upstream(base_url=settings.upstream, api_key=settings.api_key)
    return _KEYS[asyncio.run(upstream.check())]


def _sandbox(settings: Settings) -> Iterator[Finding]:
    """Every level tried out, and which one sessions get."""
    from loopagent.sandbox.levels import HINTS, Machine, trials

    best = "none"
    for trial in trials(Machine.of(settings)):
        if trial.held:
            best = trial.level if best == "none" else best
            yield "ok", trial.level, f"holds, tried in {trial.seconds * 1000:.0f} ms"
        else:
            yield "warn", trial.level, f"{'; '.join(trial.failures)}. {HINTS[trial.level]}"
    demanded = settings.isolation
    level = best if demanded == "auto" else demanded
    if level == "none":
        yield "warn", "isolation", "none: commands run with the rights of the server"
    else:
        yield "ok", "isolation", f"{level}: see docs/isolation.md for what it stops"
    git = shutil.which("git")
    yield ("ok", "git", git) if git else ("warn", "git", "not installed")


def _folders(settings: Settings) -> Iterator[Finding]:
    for name, place in (("data", settings.data_dir), ("workspaces", settings.workspace_root)):
        folder = _existing(place)
        if not os.access(folder, os.W_OK):
            yield "fail", name, f"{place} is not writable"
            continue
        free = shutil.disk_usage(folder).free
        grade: Grade = "ok" if free > _LOW_DISK else "warn"
        yield grade, name, f"{place}, {free / (1 << 30):.1f} GiB free"


def _existing(place: Path) -> Path:
    place = place.absolute()
    while not place.exists():
        place = place.parent
    return place


def _database(settings: Settings) -> Finding:
    from loopagent.storage.database import Database

    try:
        database = Database.open(settings.database_url)
    except LoopError as error:
        return "fail", "database", error.message
    database.close()
    return "ok", "database", f"schema {database.schema_version}"

"""Launchers that start a program with less than our own rights."""

from __future__ import annotations

from loopagent.sandbox.launcher import PROJECT, Launcher, LaunchSpec, PlainLauncher
from loopagent.sandbox.processes import strays, sweep
from loopagent.sandbox.program import cli_path, cli_version

__all__ = [
    "PROJECT",
    "LaunchSpec",
    "Launcher",
    "PlainLauncher",
    "cli_path",
    "cli_version",
    "strays",
    "sweep",
]

"""The levels of isolation: which there are, which hold on this machine, which one is used."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopagent.config import Settings
from loopagent.errors import SettingsError
from loopagent.sandbox.bubblewrap import BubblewrapLauncher
from loopagent.sandbox.confined import ConfinedLauncher
from loopagent.sandbox.launcher import FileLauncher, PlainLauncher
from loopagent.sandbox.limits import Limits
from loopagent.sandbox.trial import Trial, try_out

log = logging.getLogger(__name__)

# What `auto` goes through, the strongest first.
AUTO = ("sandbox", "confined")

HINTS: Mapping[str, str] = {
    "sandbox": "Install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`). In a "
    "container and on Ubuntu see docs/isolation.md for what else it needs.",
    "confined": "It needs Linux 6.7 or newer with Landlock. For a server that runs as root, "
    "WORKSPACE_ROOT must be where other users may pass, such as /var/lib/loop-agent.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where levels are tried: the sessions' root, and the folder of sealed programs."""

    root: Path
    programs: Path
    limits: Limits

    @classmethod
    def of(cls, settings: Settings) -> Machine:
        """As the settings have it."""
        # Link-free, as the sessions' own folders are.
        root = Path(os.path.realpath(settings.workspace_root))
        return cls(
            root=root,
            programs=(settings.programs_dir or root / ".programs").absolute(),
            limits=Limits.of(settings),
        )


def launcher_of(level: str, machine: Machine) -> FileLauncher:
    """The launcher of a level; raises SettingsError for a level that there isn't."""
    if level == "none":
        return PlainLauncher()
    if level == "sandbox":
        return BubblewrapLauncher(machine.programs, machine.limits)
    if level == "confined":
        return ConfinedLauncher(machine.programs, machine.limits)
    raise SettingsError(
        f"The isolation level {level!r} is not in this version. "
        f"Set LOOP_AGENT_ISOLATION to auto, none, {' or '.join(AUTO)}."
    )


def choose(demanded: str, machine: Machine) -> FileLauncher:
    """The launcher of the demanded level, tried out, or for `auto` of the strongest that holds.

    It blocks for some hundredths of a second. Raises SettingsError if a demanded level isn't to be
    had: a weaker one is never taken silently.
    """
    if demanded == "none":
        return PlainLauncher()
    for level in AUTO if demanded == "auto" else (demanded,):
        launcher = launcher_of(level, machine)
        trial = try_out(launcher, machine.root)
        if trial.held:
            return launcher
        if demanded != "auto":
            raise SettingsError(
                f"LOOP_AGENT_ISOLATION={level} is not to be had here: {_reasons(trial)} "
                f"{HINTS[level]}"
            )
        log.info("the level %s does not hold here: %s", level, _reasons(trial))
    log.warning(
        "Sessions are not isolated: commands run with the server's rights. %s", HINTS[AUTO[0]]
    )
    return PlainLauncher()


def trials(machine: Machine) -> list[Trial]:
    """How each level does on this machine; it blocks."""
    return [try_out(launcher_of(level, machine), machine.root) for level in AUTO]


def _reasons(trial: Trial) -> str:
    return "; ".join(trial.failures) + "."

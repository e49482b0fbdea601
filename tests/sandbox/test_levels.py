"""Which level a server gets: the strongest that held, or the demanded one, or none at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopagent.errors import SettingsError
from loopagent.sandbox import trial
from loopagent.sandbox.launcher import FileLauncher, LaunchSpec, PlainLauncher
from loopagent.sandbox.levels import AUTO, Machine, choose, launcher_of, trials
from loopagent.sandbox.program import system_program
from loopagent.sandbox.trial import try_out
from tests.sandbox.places import machine
from tests.support.process import reachable_folder


@pytest.fixture
def here() -> Iterator[Machine]:
    with reachable_folder() as home:
        yield machine(home / "root")


@pytest.mark.landlock
def test_as_root_confined_needs_a_folder_that_others_can_pass_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    found = try_out(launcher_of("confined", machine(tmp_path)), tmp_path)
    assert found.held is (os.geteuid() != 0)


def without(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """A machine that lacks programs."""
    found = "loopagent.sandbox.bubblewrap.system_program"
    monkeypatch.setattr(found, lambda name: None if name in programs else system_program(name))


def test_no_isolation_is_to_be_had_everywhere(here: Machine) -> None:
    assert choose("none", here).level == "none"


@pytest.mark.bubblewrap
def test_auto_gives_the_strongest_level_that_holds(here: Machine) -> None:
    assert choose("auto", here).level == choose("sandbox", here).level == "sandbox"
    assert not list(here.root.iterdir()), "the trial leaves nothing behind"


@pytest.mark.bubblewrap
@pytest.mark.landlock
def test_every_level_holds_here(here: Machine) -> None:
    assert {found.level: found.failures for found in trials(here)} == dict.fromkeys(AUTO, ())


def test_a_demanded_level_that_is_not_to_be_had_says_what_to_install(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "bwrap")
    with pytest.raises(
        SettingsError, match=r"LOOP_AGENT_ISOLATION=sandbox .*apt install bubblewrap"
    ):
        choose("sandbox", here)


def test_a_level_that_there_is_not_is_an_error(here: Machine) -> None:
    with pytest.raises(SettingsError, match="LOOP_AGENT_ISOLATION"):
        launcher_of("fortress", here)


def test_the_trial_finds_out_about_a_level_that_stops_nothing(here: Machine) -> None:
    found = try_out(PlainLauncher(), here.root)
    assert not found.held
    assert "a file of the server can be read" in found.failures
    assert "a port of this machine is open" in found.failures
    assert "the server can be sent signals" in found.failures
    assert "system calls are not filtered" in found.failures


class Broken(FileLauncher):
    level = "broken"

    def __init__(self, text: str) -> None:
        super().__init__()
        self._script = text

    def _text(self, spec: LaunchSpec) -> str:
        return self._script


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\necho 'no namespaces' >&2; exit 1\n", "no namespaces"),
        ("#!/bin/sh\nexit 3\n", "it ended with 3"),
        ("#!/no/such/shell\n", "No such file"),
        ("#!/bin/sh\nexec sleep 60\n", "no answer"),
    ],
)
def test_a_level_that_does_not_start_has_not_held(
    here: Machine, script: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_WITHIN", 0.5)
    found = try_out(Broken(script), here.root)
    assert not found.held
    assert reason in found.failures[0]


def test_auto_says_so_when_nothing_holds(
    here: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without(monkeypatch, "bwrap")
    monkeypatch.setattr("loopagent.sandbox.levels.AUTO", ("sandbox",))
    with caplog.at_level(logging.WARNING):
        assert choose("auto", here).level == "none"
    assert "not isolated" in caplog.text

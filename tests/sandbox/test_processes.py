"""A session's processes are found wherever they have gone, and no others are touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from loopagent.domain.ids import SessionId, new_session_id
from loopagent.sandbox import strays, sweep
from loopagent.sandbox.processes import marked
from tests.support.process import until

Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def started() -> Iterator[Started]:
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.wait(5)


def shell(started: Started, session_id: str, script: str) -> subprocess.Popen[bytes]:
    """Start a shell script of a session, and wait until it says that it is set up."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", script],
        env={"PATH": os.environ["PATH"], "LOOP_SESSION": session_id},
        stdout=subprocess.PIPE,
    )
    started.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def pids(session_id: SessionId) -> list[int]:
    return [pid for pid, owner in marked() if owner == session_id]


def test_a_sweep_ends_daemons_and_leaves_other_sessions_alone(started: Started) -> None:
    session_id, other = new_session_id(), new_session_id()
    nobody = shell(started, "sesn_", "echo ready; exec sleep 60")
    kept = shell(started, other, "echo ready; exec sleep 60")
    shell(started, session_id, "setsid nohup sleep 60 >/dev/null & echo ready; exec sleep 60")
    until(lambda: len(pids(session_id)) == 2)
    begun = time.monotonic()
    assert sweep(session_id) == 2
    assert time.monotonic() - begun < 1
    assert pids(session_id) == []
    assert pids(other) == [kept.pid]
    assert nobody.poll() is None
    assert sweep(session_id) == 0


def test_what_does_not_listen_is_killed_after_a_second(started: Started) -> None:
    session_id = new_session_id()
    stubborn = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    process = shell(started, session_id, stubborn)
    begun = time.monotonic()
    assert sweep(session_id) >= 1
    assert 0.9 < time.monotonic() - begun < 3
    assert process.wait(5) == -9


def test_a_process_that_keeps_forking_is_caught(started: Started) -> None:
    session_id = new_session_id()
    script = "trap 'sh -c \"trap : TERM; sleep 60\" & exit' TERM; echo ready; sleep 60 & wait"
    shell(started, session_id, script)
    assert sweep(session_id) >= 2
    assert pids(session_id) == []


def test_strays_are_the_sessions_that_nobody_knows(started: Started) -> None:
    known, unknown = new_session_id(), new_session_id()
    shell(started, known, "echo ready; exec sleep 60")
    lost = shell(started, unknown, "echo ready; exec sleep 60")
    found = strays({known})
    assert (lost.pid, unknown) in found
    assert known not in {session_id for _, session_id in found}


def test_a_server_inside_a_session_never_ends_itself() -> None:
    session_id = new_session_id()
    code = (
        "import subprocess, sys; from loopagent.sandbox import strays, sweep\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"assert sweep({session_id!r}) == 1 and child.wait(5) == -15\n"
        f"assert {session_id!r} not in str(strays(set()))"
    )
    environ = {"PATH": os.environ["PATH"], "LOOP_SESSION": session_id}
    subprocess.run([sys.executable, "-c", code], env=environ, timeout=20, check=True)

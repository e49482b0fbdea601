"""The server knows its secrets, and /proc doesn't show them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loopagent.credentials.secrets import hide_secrets

KEY = "sk-ant-very-secret"
PROGRAM = """
import json, os, sys
before = os.getpid()
from loopagent.credentials.secrets import hide_secrets
known = hide_secrets(os.environ, sys.orig_argv)
print(json.dumps({"known": known, "own": dict(os.environ), "argv": sys.argv, "pid": os.getpid(),
    "modules": len(sys.modules), "descriptors": sorted(os.listdir("/proc/self/fd"))}), flush=True)
sys.stdin.read()
"""
BASE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@contextmanager
def started(environ: Mapping[str, str]) -> Iterator[tuple[dict[str, Any], str, int]]:
    """The program's own words, its start environment as /proc shows it, and its pid."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "one", "two words"],
        env={**BASE, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        shown = Path(f"/proc/{process.pid}/environ").read_text()
        yield told, shown, process.pid
        process.communicate(timeout=10)
        assert process.returncode == 0


def test_the_program_knows_its_secrets_and_proc_does_not_show_them() -> None:
    given = {
        "ANTHROPIC_API_KEY": KEY,
        "LOOP_AGENT_PASSWORD": "pass word ü",
        "DATABASE_URL": "postgresql://me:hidden@host/db",
        "GITHUB_TOKEN": "gh-1",
        "CANARY": "canary-1",
        "LANG": "C.UTF-8",
    }
    with started(given) as (told, shown, pid):
        assert given.items() <= told["known"].items()
        assert told["pid"] == pid
        assert told["argv"] == ["-c", "one", "two words"]
        for value in (KEY, "pass word", "hidden", "gh-1", "canary-1"):
            assert value not in shown
            assert value not in json.dumps(told["own"])
        assert "LANG=C.UTF-8" in shown
        assert told["own"].keys().isdisjoint({"_LOOP_SECRETS_FD", *given} - {"LANG"})
        assert "_LOOP_SECRETS_FD" not in told["known"]
    with started({}) as (plain, _, _):
        assert plain["descriptors"] == told["descriptors"]


def test_without_secrets_the_program_just_goes_on() -> None:
    given = {"PORT": "0", "DATABASE_URL": "file:./x.db", "ANTHROPIC_API_KEY": ""}
    with started(given) as (told, shown, _):
        assert given.items() <= told["known"].items()
        assert "PORT=0" in shown
        assert "_LOOP_SECRETS_FD" not in shown


def test_a_huge_environment_does_not_fill_the_pipe() -> None:
    given = {"ANTHROPIC_API_KEY": KEY, "HUGE": "x" * 60_000, "ALSO": "y" * 60_000}
    with started(given) as (told, shown, _):
        assert given.items() <= told["known"].items()
        assert KEY not in shown


@pytest.mark.parametrize("number", ["", "x", "-1", "99999"])
def test_a_descriptor_that_leads_nowhere_is_ignored(number: str) -> None:
    environ = {"PATH": "/bin", "_LOOP_SECRETS_FD": number}
    assert hide_secrets(environ, []) == {"PATH": "/bin"}


@pytest.mark.parametrize("text", [b"", b"[1]", b"{"])
def test_odd_words_in_the_pipe_are_ignored(text: bytes) -> None:
    reader, writer = os.pipe()
    os.write(writer, text)
    os.close(writer)
    environ = {"PATH": "/bin", "_LOOP_SECRETS_FD": str(reader)}
    assert hide_secrets(environ, []) == {"PATH": "/bin"}


INSPECTED = """
import asyncio, ctypes, os, sys
from loopagent.credentials.secrets import forbid_inspection
assert forbid_inspection()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
async def child():
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo started; cat /proc/self/environ | wc -c", stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode()
print(asyncio.run(child()))
"""


def test_a_process_closed_to_inspection_can_still_start_others() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSPECTED], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    dumpable, word, size = done.stdout.split()
    assert (dumpable, word) == ("0", "started")
    assert int(size) > 0

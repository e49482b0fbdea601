"""A server that cannot serve: it ends at once, and says in one line what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk import SmallDisk, small_disk
from tests.support.process import ServerProcess, server_process

LONG_LABEL = "a" * 64


def serve(home: Path, **settings: str) -> str:
    """Start a server that must refuse; what it says, which is one line."""
    done = subprocess.run(
        [sys.executable, "-m", "loopagent", "serve"],
        env=ServerProcess(home, **settings).environment(),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.startswith("loop-agent: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("PORT", "abc", "from 0 to 65535"),
        ("PORT", "70000", "from 0 to 65535"),
        ("PORT", "80.5", "whole number"),
        ("ANTHROPIC_API_KEY", "sk-first\nsecond", "one unbroken line"),
        ("ANTHROPIC_API_KEY", "sk-first second", "one unbroken line"),
        ("ANTHROPIC_BASE_URL", "ftp://gateway", "https://host"),
        ("ANTHROPIC_BASE_URL", "http://", "https://host"),
        ("ANTHROPIC_BASE_URL", "http://[gateway", "https://host"),
        ("ANTHROPIC_BASE_URL", "http://gateway:port", "https://host"),
        ("DATABASE_URL", "mysql://user:hunter2@host/name", "Write file:"),
        ("DATABASE_URL", "postgresql://user:hunter2@127.0.0.1:1/name", "Check DATABASE_URL"),
        ("WORKSPACE_ROOT", "/dev/null", "WORKSPACE_ROOT=…"),
        ("WORKSPACE_ROOT", "/proc/none", "WORKSPACE_ROOT=…"),
        ("LOOP_AGENT_DATA_DIR", "/dev/null", "LOOP_AGENT_DATA_DIR=…"),
        ("LOOP_AGENT_SCRIPT", "/nowhere/script.yaml", "/nowhere/script.yaml"),
        ("LOOP_AGENT_MODEL_SOURCE", "upstrem", "auto, scripted, upstream"),
        ("LOOP_AGENT_MODEL_SOURCE", "upstream", "set ANTHROPIC_API_KEY"),
        ("LOOP_AGENT_MODEL", "claude\nopus", "line break"),
        ("LOOP_AGENT_PASSWORD", "two words", "one unbroken line"),
        ("LOOP_AGENT_TOKEN", "a\nb", "one unbroken line"),
        ("LOOP_AGENT_TRUSTED_HOSTS", "a.example,http://b.example/", "names alone"),
        ("LOOP_AGENT_ISOLATION", "strong", "auto, none"),
        ("LOOP_AGENT_MAX_LIVE", "0", "from 1 to 1000"),
        ("LOOP_AGENT_IDLE_MINUTES", "nan", "0.0 or more"),
        ("LOOP_AGENT_TURN_MINUTES", "-1", "0.01 or more"),
        ("LOOP_AGENT_SILENCE_SECONDS", "soon", "0.1 or more"),
        ("LOOP_AGENT_LOG_LEVEL", "loud", "DEBUG, INFO"),
        ("LOOP_AGENT_MAX_LIVES", "3", "Did you mean LOOP_AGENT_MAX_LIVE?"),
        ("LOOP_AGENT_PASWORD", "x", "Did you mean LOOP_AGENT_PASSWORD?"),
        ("LOOP_AGENT_XYZZY", "3", "See `loop-agent serve --help`"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(
    tmp_path: Path, setting: str, value: str, words: str
) -> None:
    said = serve(tmp_path, **{setting: value})
    assert words in said
    assert "sk-first" not in said
    assert "hunter2" not in said


@pytest.mark.parametrize("host", ["203.0.113.5", LONG_LABEL, "no..name"])
def test_an_address_that_is_not_this_machine_s_is_told(tmp_path: Path, host: str) -> None:
    said = serve(tmp_path, HOST=host, LOOP_AGENT_PASSWORD="long-enough-password")
    assert host in said
    assert "HOST=…" in said


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = serve(tmp_path, PORT=port)
    assert f"127.0.0.1:{port}" in said
    assert "PORT=…" in said


def test_a_data_folder_that_another_server_uses_is_told(tmp_path: Path) -> None:
    with server_process(tmp_path) as first, first.client() as client:
        assert "Another server uses the data folder" in serve(tmp_path)
        assert client.get("/readyz").status_code == 200


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(8) as made:
        yield made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database of a server that has run and ended, with some content."""
    with server_process(tmp_path) as server, server.client() as client:
        for _ in range(50):
            assert client.post("/api/sessions", json={"title": "x" * 400}).is_success
    return tmp_path / "data" / "sessions.db"


def test_a_database_that_is_something_else_is_told_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(b"not a database " * 500)
    assert "Restore a backup" in serve(tmp_path, DATABASE_URL=f"file:{file}")
    assert file.read_bytes() == b"not a database " * 500


def test_a_database_with_damaged_pages_is_told_and_left_alone(
    tmp_path: Path, database: Path
) -> None:
    healthy = database.read_bytes()
    damaged = healthy[:4096] + os.urandom(len(healthy) - 4096)
    database.write_bytes(damaged)
    assert "Restore a backup" in serve(tmp_path)
    assert database.read_bytes() == damaged
    database.write_bytes(healthy)
    with server_process(tmp_path) as server, server.client() as client:
        assert len(client.get("/api/sessions?limit=100").json()["data"]) == 50


def test_a_read_only_database_is_told_and_serves_again_when_it_is_writable(
    tmp_path: Path, disk: SmallDisk, database: Path
) -> None:
    copy = disk.place / "sessions.db"
    shutil.copy(database, copy)
    disk.make_read_only()
    said = serve(tmp_path, DATABASE_URL=f"file:{copy}")
    assert str(copy) in said
    assert "writable" in said


def test_a_full_disk_at_the_start_is_told(tmp_path: Path, disk: SmallDisk) -> None:
    disk.fill()
    said = serve(tmp_path, DATABASE_URL=f"file:{disk.place}/sessions.db")
    assert "ree some" in said, said

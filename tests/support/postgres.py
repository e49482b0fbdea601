"""A PostgreSQL server of the tests' own, with a database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_PROGRAMS = Path("/usr/lib/postgresql")


class PostgresServer:
    """A server on loopback, where everybody may be `postgres`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._made = 0

    def new_database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"test_{self._made}"
        with psycopg.connect(self._address("postgres"), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name}".encode())
        return self._address(name)

    def _address(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, ended and removed with the block."""
    programs = max(_PROGRAMS.glob("*/bin"), key=lambda place: int(place.parent.name))
    # In a short path of its own: the socket's name has little room.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(home, owner.pw_uid, owner.pw_gid)
    port, data = _free_port(), str(home / "data")
    options = f"-p {port} -c fsync=off -c listen_addresses=127.0.0.1 "
    options += f"-c unix_socket_directories={home}"
    try:
        _run(home, programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N")
        _run(
            home, programs / "pg_ctl", "start", "-w", "-t", "30", "-D", data,
            "-o", options, "-l", str(home / "log"),
        )  # fmt: skip
        try:
            yield PostgresServer(port)
        finally:
            _run(home, programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(home: Path, program: Path, *arguments: str) -> None:
    # The server refuses to run as root.
    switch = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*switch, str(program), *arguments],
        cwd=home,
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

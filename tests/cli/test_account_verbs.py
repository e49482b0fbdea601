"""Passwords and tokens from the terminal, and the link of the first set-up."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from loopagent.cli.serve import greeting
from loopagent.config import Settings
from tests.support.process import ServerProcess, server_process, until

OWN = "four words of somebody"


def command(place: ServerProcess, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    place.home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "loopagent", *words],
        env=place.environment(),
        cwd=place.home,
        input=typed,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_public_server_prints_a_link_that_opens_it_once(tmp_path: Path) -> None:
    with server_process(tmp_path, HOST="0.0.0.0") as server:
        port = server.url.rsplit(":", 1)[1]
        link = re.search(rf"http://127.0.0.1:{port}/set-up\?link=\S+", server.output.read_text())
        assert link
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/api/sessions").status_code == 401
        with httpx.Client(base_url=url, headers={"accept": "text/html"}, timeout=20) as browser:
            assert browser.get(link[0]).status_code == 200
            form = {"link": link[0].partition("=")[2], "password": OWN, "again": OWN}
            assert browser.post("/set-up", data=form).status_code == 303
            assert browser.get("/").status_code == 200
        server.stop()
        server.output.unlink()
        server.start()
        assert "set-up" not in server.output.read_text()


def test_the_link_names_the_address_that_people_use() -> None:
    behind = Settings(trusted_hosts=("agents.example",))
    assert "https://agents.example/set-up?link=secret" in greeting(behind, "http://x:1", "secret")
    assert "http://[::1]:1/set-up" in greeting(Settings(), "http://[::]:1", "secret")
    assert "set-up" not in greeting(Settings(), "http://127.0.0.1:1", None)


def test_who_is_locked_out_sets_a_password_while_the_server_runs(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        assert httpx.get(f"{server.url}/api/sessions").status_code == 200
        short = command(server, "user", "passwd", typed="short\n")
        assert (short.returncode, short.stdout) == (2, "")
        assert "12 characters" in short.stderr
        done = command(server, "user", "passwd", typed=f"{OWN}\n")
        assert done.returncode == 0, done.stderr
        assert OWN not in done.stdout
        until(lambda: httpx.get(f"{server.url}/api/sessions").status_code == 401, 5)
        assert httpx.post(f"{server.url}/login", data={"password": OWN}).status_code == 303
        refused = command(server, "ls")
        assert "loop-agent token create" in refused.stderr
        assert command(server, "user", "passwd", "--remove").returncode == 0
        until(lambda: httpx.get(f"{server.url}/api/sessions").status_code == 200, 5)


@pytest.mark.parametrize(
    ("again", "code", "words"),
    [(OWN, 0, "The password is set"), ("another one", 2, "The two passwords differ")],
)
def test_a_password_that_is_typed_is_asked_for_twice_and_not_shown(
    tmp_path: Path, again: str, code: int, words: str
) -> None:
    place = ServerProcess(tmp_path)
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "loopagent", "user", "passwd"],
        env=place.environment(),
        cwd=place.home,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    seen = b""
    for typed, prompt in ((OWN, b"New password: "), (again, b"The same again: ")):
        while prompt not in seen:
            seen += os.read(mine, 1000)
        os.write(mine, f"{typed}\n".encode())
    while words.encode() not in seen:
        seen += os.read(mine, 1000)
    assert child.wait(30) == code
    os.close(mine)
    os.close(its)
    assert OWN.encode() not in seen


def test_tokens_are_made_listed_and_revoked_without_a_server(tmp_path: Path) -> None:
    place = ServerProcess(tmp_path)
    made = command(place, "token", "create", "ci job", "--scope", "read")
    assert re.fullmatch(r"lat_\S+\n", made.stdout)
    assert "shown this once" in made.stderr
    (line,) = command(place, "token", "ls").stdout.splitlines()
    token_id = line.split()[0]
    assert line.endswith("ci job")
    assert "read  " in line
    assert made.stdout.strip() not in line
    assert command(place, "token", "revoke", token_id).stdout == f"revoked {token_id}\n"
    assert command(place, "token", "ls").stdout == ""
    again = command(place, "token", "revoke", token_id)
    assert again.returncode == 2
    assert "There is no token" in again.stderr

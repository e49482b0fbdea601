"""schemathesis makes up requests from the API's own description, with and without credentials."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.process import ServerProcess, server_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PASSWORD = "four-words-of-somebody"
TOKEN = "a-token-that-is-long-enough-not-to-be-guessed"
TITLE = "plans that nobody else may know"
KEY = "sk-a-key-that-stays-in-the-server"
OPEN = {"/healthz", "/readyz"}
# They end what the others need, or answer for as long as a turn takes.
LEFT_ALONE = ("delete", "archive", "stream", "message")


@dataclass(frozen=True)
class Fuzzed:
    server: ServerProcess
    session: str
    description: dict[str, Any]

    def run(self, place: Path, *options: str) -> list[dict[str, Any]]:
        """All requests and answers of twelve seconds; fails on an answer of 500 or more."""
        described = place / "openapi.json"
        described.write_text(json.dumps(self.description))
        report = place / "report.har"
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", str(described),
            "--url", self.server.url, "--max-time", "12", "--checks", "not_a_server_error",
            "--phases", "coverage,fuzzing", "--request-timeout", "5", "--continue-on-failure",
            "--no-shrink", "--report", "har", "--report-har-path", str(report),
            "--output-sanitize", "false", "--generation-database", "none", "--no-color", *options,
        ]  # fmt: skip
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        entries: list[dict[str, Any]] = json.loads(report.read_text())["log"]["entries"]
        assert len(entries) > 50
        return entries


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    settings = {
        "LOOP_AGENT_PASSWORD": PASSWORD,
        "LOOP_AGENT_TOKEN": TOKEN,
        "LOOP_AGENT_MODEL_SOURCE": "scripted",
        "ANTHROPIC_API_KEY": KEY,
        "LOOP_AGENT_MAX_LIVE": "1",
    }
    home = tmp_path_factory.mktemp("fuzzed")
    headers = {"x-api-key": TOKEN}
    with server_process(home, **settings) as server, server.client() as client:
        made = client.post("/api/sessions", json={"title": TITLE}, headers=headers).json()
        description = client.get("/openapi.json", headers=headers).json()
        name_real_things(description, {"session_id": made["id"], "agent_id": "agent_default"})
        yield Fuzzed(server, made["id"], description)
        assert client.post("/api/sessions", headers=headers).status_code == 201
        assert "Traceback" not in server.output.read_text()


def name_real_things(description: dict[str, Any], things: dict[str, str]) -> None:
    """Let the made-up requests be about things that exist."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if not any(word in f"{method} {path}" for word in LEFT_ALONE):
                for parameter in operation.get("parameters", ()):
                    if parameter["name"] in things:
                        parameter["schema"] = {
                            "type": "string",
                            "enum": [things[parameter["name"]]],
                        }


def told(entry: dict[str, Any]) -> str:
    return json.dumps(entry["response"])


def test_without_credentials_nothing_is_told(fuzzed: Fuzzed, tmp_path: Path) -> None:
    odd = set()
    for entry in fuzzed.run(tmp_path):
        path = urlsplit(entry["request"]["url"]).path
        status = entry["response"]["status"]
        # A request that is no HTTP is refused before it is asked who sends it.
        if path not in OPEN and status not in {400, 401, 413, 429}:
            odd.add((entry["request"]["method"], path, status))
        for secret in (TITLE, PASSWORD, TOKEN, KEY, fuzzed.server.home.name):
            assert secret not in told(entry), entry["request"]["url"]
    assert odd == set()


def test_with_credentials_nothing_breaks_and_no_secret_is_told(
    fuzzed: Fuzzed, tmp_path: Path
) -> None:
    entries = fuzzed.run(tmp_path, "-H", f"x-api-key: {TOKEN}")
    statuses = {entry["response"]["status"] for entry in entries}
    assert {200, 400, 404} <= statuses
    for entry in entries:
        for secret in (PASSWORD, TOKEN, KEY, "Traceback", "sqlalchemy"):
            assert secret not in told(entry), entry["request"]["url"]
    with httpx.Client(base_url=fuzzed.server.url) as client:
        assert client.get("/healthz").status_code == 200

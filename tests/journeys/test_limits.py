"""What becomes of a session that takes too much of the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.process import ServerProcess, reachable_folder, server_process
from tests.support.stream import frames

pytestmark = [pytest.mark.slow, pytest.mark.bubblewrap]


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    settings = {"LOOP_AGENT_ISOLATION": "sandbox", "LOOP_AGENT_SESSION_DISK_MIB": "100"}
    with reachable_folder() as home, server_process(home, **settings) as running:
        yield running


def test_a_session_that_fills_the_disk_is_stopped_with_the_reason(server: ServerProcess) -> None:
    tool = json.dumps(
        {"command": "head -c 150M /dev/zero >big; python3 -c 'import time; time.sleep(60)'"}
    )
    with server.client() as client:
        session = client.post("/api/sessions", json={}).json()["id"]
        body = {"prompt": f"[[tool: Bash {tool}]]"}
        url = f"/api/sessions/{session}/message"
        with client.stream("POST", url, json=body, timeout=60) as answer:
            seen = [frame.data for frame in frames(answer.iter_lines()) if frame.id]
    (error,) = [event["error"] for event in seen if event["type"] == "session.error"]
    assert error["type"] == "disk_limit_error"
    assert "100 MiB" in error["message"]
    assert "LOOP_AGENT_SESSION_DISK_MIB" in error["message"]

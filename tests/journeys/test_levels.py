"""A session whose server comes back with another level of isolation."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.process import reachable_folder, server_process
from tests.support.stream import frames, text_of

pytestmark = [pytest.mark.slow, pytest.mark.bubblewrap]


def said(client: httpx.Client, session: str, prompt: str) -> str:
    url = f"/api/sessions/{session}/message"
    with client.stream("POST", url, json={"prompt": prompt}) as answer:
        seen = [frame for frame in frames(answer.iter_lines()) if frame.id]
    return text_of(frame.data for frame in seen if frame.event == "agent.message")


def level_of(client: httpx.Client, session: str) -> Any:
    return client.get(f"/v1/sessions/{session}").json()["loop"]["isolation"]


def test_a_session_moves_to_the_level_in_force_with_its_conversation_and_files() -> None:
    with reachable_folder() as home, server_process(home, LOOP_AGENT_ISOLATION="none") as server:
        with server.client() as client:
            session = client.post("/api/sessions", json={}).json()["id"]
            write = '[[tool: Write {"file_path": "kept.txt", "content": "heron"}]]'
            said(client, session, f"remember the word heron {write}")
            assert level_of(client, session) == "none"
        for level in ("sandbox", "none"):
            server.stop()
            server.settings["LOOP_AGENT_ISOLATION"] = level
            server.start()
            with server.client() as client:
                assert "heron" in said(client, session, "[[recall]]")
                assert "heron" in said(client, session, '[[tool: Read {"file_path": "kept.txt"}]]')
                assert level_of(client, session) == level

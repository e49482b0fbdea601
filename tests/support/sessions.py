"""What a client does to sessions, in one line each."""

from __future__ import annotations

import json
from typing import Any

import httpx

STATUSES = {
    "session.status_idle",
    "session.status_running",
    "session.status_rescheduled",
}
# The default agent, with all tools and without questions.
ALLOW_ALL: dict[str, Any] = {
    "type": "agent_with_overrides",
    "id": "agent_default",
    "tools": [
        {
            "type": "agent_toolset_20260401",
            "default_config": {"permission_policy": {"type": "always_allow"}},
            "loop": {"configs": [{"name": "agent", "enabled": True}]},
        }
    ],
}


def create(client: httpx.Client, **body: Any) -> str:
    """A new session's id."""
    answer = client.post("/api/sessions", json=body)
    assert answer.status_code < 300, answer.text
    return str(answer.json()["id"])


def post(client: httpx.Client, session: str, text: str, mode: str | None = None) -> dict[str, Any]:
    """Send a message and don't wait for its turn; gives its event."""
    message: dict[str, Any] = {"type": "user.message", "content": [{"type": "text", "text": text}]}
    if mode is not None:
        message["loop"] = {"mode": mode}
    answer = client.post(f"/v1/sessions/{session}/events", json={"events": [message]})
    assert answer.status_code == 200, answer.text
    sent: dict[str, Any] = answer.json()["data"][0]
    return sent


def events(client: httpx.Client, session: str, *types: str) -> list[dict[str, Any]]:
    """The log; of named types also those that lists leave out."""
    params: dict[str, Any] = {"limit": 1000}
    if types:
        params["types[]"] = list(types)
    answer = client.get(f"/v1/sessions/{session}/events", params=params)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def messages_of(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    return [event for event in events(client, session) if event["type"] == "user.message"]


def status(client: httpx.Client, session: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/sessions/{session}").json()
    return found


def last_reason(client: httpx.Client, session: str) -> str | None:
    """Why the session is idle; None while it runs."""
    said = [event for event in events(client, session) if event["type"] in STATUSES]
    if said and said[-1]["type"] == "session.status_idle":
        return str(said[-1]["stop_reason"]["type"])
    return None


def assert_sound(listed: list[dict[str, Any]]) -> None:
    """No event is lost, doubled or out of order; events of ours may be left out of a list."""
    seqs = [event["seq"] for event in listed]
    assert seqs == sorted(set(seqs))
    assert len({event["id"] for event in listed}) == len(listed)


def bash(command: str, seconds: float = 0, **more: Any) -> str:
    """The directive for a command that takes so long."""
    pause = f"python3 -c 'import time; time.sleep({seconds})'; " if seconds else ""
    return f"[[tool: Bash {json.dumps({'command': pause + command, **more})}]]"

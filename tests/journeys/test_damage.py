"""What a server meets that has lost its disk, its files or its folders while it runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.disk import SmallDisk, small_disk
from tests.support.process import ServerProcess, processes_of, server_process, until
from tests.support.stream import frames, text_of

pytestmark = pytest.mark.slow

WORDS = [f"w{number}" for number in range(150)]


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(8) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def on_small_disk(tmp_path: Path, disk: SmallDisk) -> Iterator[ServerProcess]:
    """A server with its database and workspaces on the small disk."""
    database = f"file:{disk.place}/sessions.db"
    with server_process(
        tmp_path, DATABASE_URL=database, WORKSPACE_ROOT=str(disk.place / "workspaces")
    ) as running:
        yield running


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    message = answer.json()["error"]["message"]
    for word in words:
        assert word in message, message


def create(client: httpx.Client) -> str:
    answer = client.post("/api/sessions", json={})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def said(client: httpx.Client, session: str, prompt: str) -> str:
    """Send a prompt; what the agent said in its turn."""
    with client.stream(
        "POST", f"/api/sessions/{session}/message", json={"prompt": prompt}
    ) as answer:
        assert answer.status_code == 200, answer.read()
        return text_of(frame.data for frame in frames(answer.iter_lines()))


def send(client: httpx.Client, session: str, prompt: str) -> httpx.Response:
    content = [{"type": "text", "text": prompt}]
    events = {"events": [{"type": "user.message", "content": content}]}
    return client.post(f"/v1/sessions/{session}/events", json=events)


def listed(client: httpx.Client, session: str) -> list[dict[str, Any]]:
    """The whole log, which must have no hole and nothing twice."""
    answer = client.get(f"/v1/sessions/{session}/events", params={"limit": 1000})
    events: list[dict[str, Any]] = answer.json()["data"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    return events


def is_at_rest(client: httpx.Client, session: str) -> bool:
    return bool(client.get(f"/v1/sessions/{session}").json()["status"] == "idle")


def test_a_full_disk_refuses_messages_and_room_cures_it(
    on_small_disk: ServerProcess, disk: SmallDisk
) -> None:
    with on_small_disk.client() as client:
        session = create(client)
        assert said(client, session, "[[text: before]]") == "before"
        before = listed(client, session)
        disk.fill()
        refused(send(client, session, "x" * 500_000), 503, "No space is left", "Free some")
        refused(client.post("/api/sessions", json={}), 503, "free space")
        assert listed(client, session) == before
        assert client.get("/", headers={"accept": "text/html"}).status_code == 200
        disk.make_room()
        assert said(client, session, "[[text: after]]") == "after"
        assert listed(client, session)[: len(before)] == before
        assert client.delete(f"/api/sessions/{session}").status_code == 200


def test_a_disk_that_fills_up_in_mid_turn_loses_no_turn(
    on_small_disk: ServerProcess, disk: SmallDisk
) -> None:
    with on_small_disk.client() as client:
        session = create(client)
        send(client, session, "[[stream: 150 @ 100]]")
        until(lambda: draft(client, session))
        disk.fill()
        # Its last events find no room, and neither does the note that it is to be run again.
        until(lambda: f"{session} waits for the database" in on_small_disk.output.read_text(), 20)
        disk.make_room()
        until(lambda: is_at_rest(client, session), 40)
        assert text_of(listed(client, session)).split() == WORDS
        assert said(client, session, "[[text: goes on]]") == "goes on"


def draft(client: httpx.Client, session: str) -> bool:
    params = {"event_deltas[]": "agent.message"}
    path = f"/v1/sessions/{session}/events/stream"
    with client.stream("GET", path, params=params) as answer:
        return any(frame.event == "event_delta" for frame in frames(answer.iter_lines()))


def test_a_workspace_removed_by_hand_is_told_and_the_session_can_be_deleted(
    server: ServerProcess,
) -> None:
    with server.client() as client:
        session, other = create(client), create(client)
        assert said(client, session, "[[text: before]]") == "before"
        until(lambda: processes_of(server.workspaces / session))
        shutil.rmtree(server.workspaces / session)
        said(client, session, "[[text: after]]")
        until(lambda: is_at_rest(client, session))
        errors = [e for e in listed(client, session) if e["type"] == "session.error"]
        assert errors[-1]["error"]["type"] == "workspace_gone_error"
        assert "Delete the session" in errors[-1]["error"]["message"]
        assert said(client, other, "[[text: the other]]") == "the other"
        page = client.get(f"/sessions/{session}", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert client.delete(f"/api/sessions/{session}").status_code == 200
        assert client.get(f"/api/sessions/{session}").status_code == 404
    until(lambda: not processes_of(server.workspaces / session))

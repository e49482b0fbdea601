"""The files of a session by API: put, taken in parts, told to the agent; checkpoints and rewind."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.support.server import RunningServer
from tests.support.sessions import ALLOW_ALL, bash


@pytest.fixture
async def base(http: httpx.AsyncClient) -> str:
    session = (await http.post("/api/sessions", json={"template": "plain"})).json()["id"]
    return f"/v1/sessions/{session}/workspace"


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    with anyio.fail_after(10):
        while not (found := await look()):
            await anyio.sleep(0.02)
    return found


async def checkpoints(http: httpx.AsyncClient, base: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await http.get(f"{base}/checkpoints")).json()["data"]
    return data


async def test_a_file_goes_in_and_comes_out_byte_by_byte(
    http: httpx.AsyncClient, base: str
) -> None:
    data = bytes(range(256)) * 100
    answer = await http.put(f"{base}/file", params={"path": "a/ä.bin"}, content=data)
    assert answer.status_code == 201
    assert answer.json()["size"] == len(data)
    answer = await http.get(f"{base}/file", params={"path": "a/ä.bin"})
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment;")
    again = await http.put(f"{base}/file", params={"path": "a/ä.bin"}, content=b"x")
    assert again.status_code == 409
    query = {"path": "a/ä.bin", "replace": "true"}
    assert (await http.put(f"{base}/file", params=query, content=b"x")).status_code == 201


@pytest.mark.parametrize(
    ("wanted", "status", "got"),
    [
        ("bytes=1-2", 206, b"el"),
        ("bytes=3-", 206, b"lo"),
        ("bytes=-2", 206, b"lo"),
        ("bytes=0-999", 206, b"hello"),
        ("bytes=9-", 416, b""),
        ("bytes=0-1,3-4", 200, b"hello"),
        ("words=1-2", 200, b"hello"),
    ],
)
async def test_a_range_gives_a_part(
    http: httpx.AsyncClient, base: str, wanted: str, status: int, got: bytes
) -> None:
    answer = await http.get(f"{base}/file", params={"path": "notes.txt"}, headers={"range": wanted})
    assert (answer.status_code, answer.content) == (status, got)


@pytest.mark.parametrize("path", ["../config", "/etc/passwd", "a/../../x", "~/x", "a\0b", ""])
async def test_paths_that_lead_out_are_refused_by_every_verb(
    http: httpx.AsyncClient, base: str, path: str
) -> None:
    query = {"path": path}
    for answer in (
        await http.get(f"{base}/file", params=query),
        await http.put(f"{base}/file", params=query, content=b"x"),
        await http.delete(f"{base}/entry", params=query),
        await http.post(f"{base}/folders", json=query),
        await http.post(f"{base}/rename", json={"path": path, "to": "x"}),
        await http.post(f"{base}/rename", json={"path": "notes.txt", "to": path}),
    ):
        assert answer.status_code == 400, answer.text
    names = [e["name"] for e in (await http.get(f"{base}/entries")).json()["data"]]
    assert names == ["notes.txt"]


async def test_folders_names_and_deletions(http: httpx.AsyncClient, base: str) -> None:
    assert (await http.post(f"{base}/folders", json={"path": "docs"})).status_code == 201
    move = {"path": "notes.txt", "to": "docs/notes.txt"}
    assert (await http.post(f"{base}/rename", json=move)).json()["path"] == "docs/notes.txt"
    answer = await http.get(f"{base}/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("docs/notes.txt") == b"hello"
    assert (await http.get(base)).json() == {"type": "workspace", "files": 1, "bytes": 5}
    assert (await http.delete(f"{base}/entry", params={"path": "docs"})).status_code == 200
    assert (await http.get(f"{base}/entries")).json() == {"data": [], "total": 0}
    assert (await http.delete(f"{base}/entry", params={"path": "docs"})).status_code == 404


async def test_the_agent_is_told_of_changes_by_hand_once(
    http: httpx.AsyncClient, base: str, server: RunningServer
) -> None:
    session = base.split("/")[3]
    await http.put(f"{base}/file", params={"path": "plan.md"}, content=b"x")
    await http.delete(f"{base}/entry", params={"path": "notes.txt"})
    told = []
    for _ in range(2):
        await http.post(f"/api/sessions/{session}/message", json={"prompt": "[[text: yes]]"})
        query = {"types[]": "user.message", "order": "desc", "limit": "1"}
        listed = (await http.get(f"/v1/sessions/{session}/events", params=query)).json()["data"]
        told.append((listed[0].get("loop") or {}).get("told", ""))
    assert "- Uploaded plan.md\n- Deleted notes.txt" in told[0]
    assert told[1] == ""
    transcript = next((server.services.settings.workspace_root / session).rglob("*.jsonl"))
    entries = [json.loads(line) for line in transcript.read_text().splitlines()]
    said = [json.dumps(entry) for entry in entries if entry["type"] == "user"]
    assert [text.count("Uploaded plan.md") for text in said] == [1, 0]


async def test_a_turn_is_a_checkpoint_that_can_be_compared_and_undone(
    http: httpx.AsyncClient,
) -> None:
    body = {"agent": ALLOW_ALL, "environment_id": "env_default", "loop": {"template": "plain"}}
    session = (await http.post("/v1/sessions", json=body)).json()["id"]
    base = f"/v1/sessions/{session}/workspace"
    before = len(await checkpoints(http, base))
    prompt = {"prompt": bash("printf 'two\\n' > notes.txt; mkdir d; echo x > d/x")}
    answer = await http.post(f"/api/sessions/{session}/message", json=prompt)
    assert "session.status_idle" in answer.text
    kept = await until(lambda: _more(http, base, before))
    newest = kept[-1]["number"]
    assert kept[-1]["why"] == "turn"
    diff = (await http.get(f"{base}/diff", params={"from": newest - 1})).json()
    assert {(c["path"], c["added"]) for c in diff["data"]} == {("notes.txt", 1), ("d/x", 1)}
    patch = await http.get(f"{base}/patch", params={"from": newest - 1, "path": "d/x"})
    assert "+++ b/d/x" in patch.text
    assert "notes.txt" not in patch.text
    done = (await http.post(f"{base}/checkpoints/{newest - 1}/rewind")).json()
    assert "d/x" in done["deleted"]
    names = [e["name"] for e in (await http.get(f"{base}/entries")).json()["data"]]
    assert "d" not in names
    await http.post(f"{base}/checkpoints/{newest}/rewind")
    answer = await http.get(f"{base}/file", params={"path": "d/x"})
    assert answer.content == b"x\n"
    assert (await http.post(f"{base}/checkpoints/99/rewind")).status_code == 404


async def _more(http: httpx.AsyncClient, base: str, before: int) -> list[dict[str, Any]]:
    kept = await checkpoints(http, base)
    return kept if len(kept) > before else []


async def test_a_template_is_the_first_checkpoint(http: httpx.AsyncClient, base: str) -> None:
    assert [(c["number"], c["why"]) for c in await checkpoints(http, base)] == [(1, "start")]

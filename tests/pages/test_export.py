"""A session as a file: whole, readable elsewhere, and inert."""

from __future__ import annotations

import json

import httpx
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from tests.pages.tree import parse
from tests.support.server import RunningServer


async def fill(server: RunningServer, session_id: SessionId) -> None:
    call = e.AgentToolUse(
        name="bash", input={"command": "cat x"}, evaluated_permission="allow", loop={"tool": "Bash"}
    )
    ticks = "a ``` b"
    result = e.AgentToolResult(tool_use_id=call.id, content=[e.text_block(ticks)])
    title = e.SessionUpdated.model_validate({"title": "Ä <b>title</b>: x/y"})
    many = [e.AgentMessage(content=[e.text_block(f"Step **{n}**")]) for n in range(700)]
    evil = e.AgentMessage(content=[e.text_block("<script>alert(1)</script> <img src=x onerror=y>")])
    begin = e.UserMessage(content=[e.text_block("go <on>")])
    await server.services.log.append(session_id, [title, begin, call, result, evil, *many])


@pytest.mark.parametrize("kind", ["md", "html", "json"])
async def test_the_whole_session_is_in_the_file(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId, kind: str
) -> None:
    await fill(server, session_id)
    answer = await http.get(f"/sessions/{session_id}/export.{kind}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["content-disposition"].endswith(f'.{kind}"')
    for words in ("cat x", "Step", "699"):
        assert words in answer.text


async def test_markdown_keeps_what_is_in_fences(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    await fill(server, session_id)
    text = (await http.get(f"/sessions/{session_id}/export.md")).text
    assert text.startswith("# Ä <b>title</b>: x/y\n")
    assert "\n````\na ``` b\n````\n" in text
    assert "\n## You\n\ngo <on>\n" in text


async def test_html_stands_alone_and_is_inert(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    await fill(server, session_id)
    text = (await http.get(f"/sessions/{session_id}/export.html")).text
    body = text.split("<body>")[1].split("</body>")[0]
    parse(body)
    assert "<script" not in text
    assert "<img" not in body
    assert "go &lt;on&gt;" in body
    assert 'href="/' not in text


async def test_json_is_the_log_as_the_wire_has_it(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    await fill(server, session_id)
    whole = json.loads((await http.get(f"/sessions/{session_id}/export.json")).text)
    assert whole["session"]["id"] == session_id
    assert [event["seq"] for event in whole["events"]] == list(range(1, 706))


async def test_another_kind_is_refused(http: httpx.AsyncClient, session_id: SessionId) -> None:
    assert (await http.get(f"/sessions/{session_id}/export.pdf")).status_code == 404

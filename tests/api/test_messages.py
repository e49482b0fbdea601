"""`GET /api/sessions/{id}/messages`: the log in short."""

from __future__ import annotations

import httpx
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from tests.support.server import RunningServer


@pytest.fixture
async def session_id(http: httpx.AsyncClient) -> SessionId:
    return SessionId((await http.post("/api/sessions")).json()["id"])


async def test_each_that_said_or_did_something_is_one_entry(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    call = e.AgentToolUse(name="bash", input={"command": "ls"}, evaluated_permission="allow")
    mcp = e.AgentMcpToolUse(
        name="look", mcp_server_name="files", input={}, evaluated_permission="allow"
    )
    picture = {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}}
    said = {"content": [{"type": "text", "text": "look at this"}, picture]}
    retry = e.RetryStatusBody(type="exhausted")
    error = e.ErrorBody(type="billing_error", message="Add credit.", retry_status=retry)
    told: list[e.Event] = [
        e.UserMessage.model_validate(said),
        e.SessionStatusRunning(),
        e.AgentMessage(content=[e.text_block("I lo")], loop={"partial": True}),
        call,
        e.AgentToolResult(tool_use_id=call.id, content=[e.text_block("x" * 40_000)]),
        mcp,
        e.AgentMcpToolResult(mcp_tool_use_id=mcp.id, content=None, is_error=True),
        e.SessionError(error=error),
    ]
    await server.services.log.append(session_id, told)
    path = f"/api/sessions/{session_id}/messages"
    shown = (await http.get(path)).json()
    assert shown["next_after"] is None
    prompt, partial, called, result, _, failed, wrong = shown["data"]
    assert (prompt["role"], prompt["text"]) == ("user", "look at this\n[image]")
    assert (partial["role"], partial["partial"]) == ("assistant", True)
    assert (called["name"], called["input"]) == ("bash", {"command": "ls"})
    assert result["tool_use_id"] == call.id
    assert result["shortened"]
    assert (failed["is_error"], failed["text"]) == (True, "")
    assert (wrong["role"], wrong["error"]) == ("error", "billing_error")


async def test_they_come_page_by_page(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    texts = [e.AgentMessage(content=[e.text_block(str(n))]) for n in range(5)]
    await server.services.log.append(session_id, texts)
    path, seen = f"/api/sessions/{session_id}/messages", []
    after: int | None = 0
    while after is not None:
        page = (await http.get(path, params={"limit": 2, "after": after})).json()
        seen += [entry["text"] for entry in page["data"]]
        after = page["next_after"]
    assert seen == ["0", "1", "2", "3", "4"]

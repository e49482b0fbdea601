"""A session's own socket, and what it may not ask the API to do for it."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loopagent.credentials.grants import Grants
from loopagent.credentials.proxy import CredentialProxy
from loopagent.credentials.upstream import Upstream
from loopagent.storage import sessions
from tests.credentials.conftest import KEY, Agent, agent_behind
from tests.credentials.upstream import FakeApi
from tests.storage.records import a_session

pytestmark = pytest.mark.usefixtures("free_loop")


@pytest.fixture
async def behind(grants: Grants, api: FakeApi) -> AsyncIterator[tuple[CredentialProxy, Agent]]:
    async with agent_behind(grants, Upstream(base_url=api.url, api_key=KEY)) as both:
        yield both


async def ask(path: Path, token: str, body: Any = None) -> tuple[int, Any]:
    """A request by a socket: its status and its body."""
    asked = {"model": "claude-x", **(body or {})}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
        client.post("http://api/v1/messages", json=asked, headers={"x-api-key": token}) as answer,
    ):
        text = await answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else text


async def test_a_socket_takes_its_own_sessions_grant_alone(
    behind: tuple[CredentialProxy, Agent], grants: Grants, tmp_path: Path
) -> None:
    proxy, agent = behind
    session = a_session()
    await grants._database.write(lambda conn: sessions.insert_row(conn, session))
    other = session.id
    token = await grants.issue(other)
    await proxy.sockets.open(agent.session_id, tmp_path / "a")
    await proxy.sockets.open(other, tmp_path / "b")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert (await ask(tmp_path / "a", agent.token))[0] == 200
    assert (await ask(tmp_path / "b", token))[0] == 200
    assert (await ask(tmp_path / "a", token))[0] == 401
    assert (await ask(tmp_path / "b", agent.token))[0] == 401


async def test_a_socket_can_be_anywhere_and_be_opened_again(
    behind: tuple[CredentialProxy, Agent], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, agent = behind
    deep = tmp_path / ("a-folder-with-a-long-name" * 5)
    deep.mkdir()
    for _ in range(2):
        await proxy.sockets.open(agent.session_id, deep / "api.sock")
        monkeypatch.chdir(deep)
        assert (await ask(Path("api.sock"), agent.token))[0] == 200
    await proxy.sockets.close(agent.session_id)
    await proxy.sockets.close(agent.session_id)
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(Path("api.sock"), agent.token)


async def test_a_place_that_is_none_is_an_error(
    behind: tuple[CredentialProxy, Agent], tmp_path: Path
) -> None:
    proxy, agent = behind
    with pytest.raises(OSError, match="No such file"):
        await proxy.sockets.open(agent.session_id, tmp_path / "no" / "folder")


@pytest.mark.parametrize(
    "more",
    [
        {"mcp_servers": [{"type": "url", "url": "https://evil.example"}]},
        {"container": {"id": "c"}},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"name": "Read"}, {"type": "code_execution_20250825", "name": "x"}]},
        {"tools": [{"type": ["web_fetch_20250910"], "name": "web_fetch"}]},
        {"tools": {"type": "web_fetch_20250910"}},
    ],
)
async def test_nothing_runs_at_the_apis_side_for_an_agent_that_may_not(
    agent: Agent, api: FakeApi, more: dict[str, Any]
) -> None:
    async with agent.post({"model": "claude-x", **more}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["type"] == "invalid_request_error"
    assert not api.seen


async def test_web_search_is_for_agents_that_have_it(
    agent: Agent, api: FakeApi, grants: Grants
) -> None:
    agent.token = await grants.issue(agent.session_id, ["bash", "web_search", "web_fetch"])
    for kind, status in (("web_search_20250305", 200), ("web_fetch_20250910", 400)):
        async with agent.post({"model": "claude-x", "tools": [{"type": kind}]}) as answer:
            assert answer.status == status
    assert len(api.seen) == 1


async def test_tools_that_the_agent_runs_itself_are_its_own_business(
    agent: Agent, api: FakeApi
) -> None:
    tools = [
        {"name": "Bash"},
        {"type": "custom", "name": "x"},
        {"type": "tool_search_tool_regex_1"},
    ]
    async with agent.post({"model": "claude-x", "tools": tools}) as answer:
        assert answer.status == 200
    assert json.loads(api.seen[0].body)["tools"] == tools

"""The proxy: what goes on, what comes back, and when it is cut."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import socket
import time

import aiohttp
import anyio
import pytest
from aiohttp import web

from loopagent.credentials.grants import Grants
from loopagent.credentials.upstream import KeyState, Upstream
from loopagent.domain.usage import TokenUsage
from loopagent.storage import sessions
from tests.credentials.conftest import KEY, Agent, agent_behind
from tests.credentials.upstream import DELTA, END, SSE, START, FakeApi, fake_api
from tests.storage.records import a_session

pytestmark = pytest.mark.usefixtures("free_loop")


async def error_of(answer: aiohttp.ClientResponse) -> str:
    body = await answer.json()
    assert body["type"] == "error"
    assert body["error"]["message"].endswith(".")
    return str(body["error"]["type"])


def no_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_the_grant_is_traded_for_the_key_and_the_answer_comes_back(
    agent: Agent, api: FakeApi
) -> None:
    async with agent.post(path="/v1/messages?beta=true&x=a%2Fb") as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == SSE["content-type"]
        assert await answer.read() == START + DELTA + END
    (seen,) = api.seen
    assert seen.path == "/v1/messages?beta=true&x=a%2Fb"
    assert seen.all("x-api-key") == [KEY]
    assert agent.token not in str(seen.headers)
    assert json.loads(seen.body) == {"model": "claude-x", "stream": True}


async def test_usage_is_told_once_per_answer(agent: Agent) -> None:
    async with agent.post() as answer:
        await answer.read()
    async with agent.post(path="/v1/messages/count_tokens") as answer:
        await answer.read()
    used = TokenUsage(input_tokens=7, cache_read_input_tokens=3, output_tokens=42)
    assert agent.usages == [(agent.session_id, "claude-x", used)]


async def test_other_headers_go_on_and_credentials_do_not(agent: Agent, api: FakeApi) -> None:
    given = {
        "anthropic-beta": "one,two",
        "anthropic-version": "2023-06-01",
        "user-agent": "claude-cli/2",
        "x-stainless-lang": "js",
        "accept-encoding": "br, zstd",
        "cookie": "a=b",
        "forwarded": "for=1.2.3.4",
        "connection": "x-private, close",
        "x-private": "1",
        "te": "trailers",
        "authorization": f"Bearer {agent.token}",
    }
    async with agent.post(**given) as answer:
        assert answer.status == 200
    names = {name.lower() for name, _ in api.seen[0].headers}
    assert names == {
        "host", "content-length", "content-type", "accept", "accept-encoding",
        "anthropic-beta", "anthropic-version", "user-agent", "x-stainless-lang", "x-api-key",
    }  # fmt: skip
    assert api.seen[0].all("anthropic-beta") == ["one,two"]
    assert api.seen[0].all("accept-encoding") == ["identity"]
    assert api.seen[0].all("user-agent") == ["claude-cli/2"]


async def test_an_oauth_token_is_sent_as_bearer_with_its_beta(grants: Grants, api: FakeApi) -> None:
    upstream = Upstream(base_url=f"{api.url}/gateway/", api_key="sk-ant-oat01-real")
    async with agent_behind(grants, upstream) as (_, agent), agent.post(anthropic_beta="one"):
        pass
    (seen,) = api.seen
    assert seen.path == "/gateway/v1/messages"
    assert seen.all("authorization") == ["Bearer sk-ant-oat01-real"]
    assert seen.all("anthropic-beta") == ["one,oauth-2025-04-20"]
    assert seen.all("x-api-key") == []


async def test_each_chunk_is_passed_on_before_the_next_one_is_there(
    agent: Agent, api: FakeApi
) -> None:
    async def in_steps(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        for chunk in (START, DELTA, DELTA, END):
            await response.write(chunk)
            await api.go_on.wait()
            api.go_on.clear()
        return response

    api.behave = in_steps
    async with agent.post() as answer:
        for chunk in (START, DELTA, DELTA, END):
            with anyio.fail_after(2):
                assert await answer.content.readany() == chunk
            api.go_on.set()


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers=SSE)
    await response.prepare(request)
    await response.write(START)
    await asyncio.Event().wait()
    return response


async def test_revoking_cuts_a_live_stream_on_both_sides_at_once(
    agent: Agent, api: FakeApi, grants: Grants
) -> None:
    api.behave = endless
    async with agent.post() as answer:
        assert await answer.content.readany() == START
        begun = time.monotonic()
        await grants.revoke(agent.session_id)
        with anyio.fail_after(1):
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.readany()
            await api.left.wait()
        assert time.monotonic() - begun < 1
    async with agent.post() as answer:
        assert answer.status == 401
        assert answer.headers["x-should-retry"] == "false"
        assert await error_of(answer) == "authentication_error"
    assert agent.usages[0][2].input_tokens == 7
    assert len(api.seen) == 1


async def test_revoking_before_the_answer_has_begun_is_a_401(
    agent: Agent, api: FakeApi, grants: Grants
) -> None:
    async def silent(_: web.BaseRequest) -> web.StreamResponse:
        api.go_on.set()
        await asyncio.Event().wait()
        return web.Response()

    api.behave = silent
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(agent.post().__aenter__())
        await api.go_on.wait()
        await grants.revoke(agent.session_id)
    assert asked.result().status == 401
    with anyio.fail_after(1):
        await api.left.wait()


async def test_other_sessions_go_on_when_one_is_revoked(
    agent: Agent, api: FakeApi, grants: Grants
) -> None:
    api.behave = endless
    session = a_session()
    await agent.database.write(lambda conn: sessions.insert_row(conn, session))
    other = await grants.issue(session.id)
    async with agent.post(x_api_key=other) as answer:
        await answer.content.readany()
        async with agent.post() as mine:
            await mine.content.readany()
            await grants.revoke(agent.session_id)
            with pytest.raises(aiohttp.ClientPayloadError):
                await mine.content.readany()
        assert not answer.content.at_eof()
        assert answer.connection is not None


async def test_a_client_that_goes_away_ends_the_request_to_the_api(
    agent: Agent, api: FakeApi
) -> None:
    api.behave = endless
    async with agent.post() as answer:
        await answer.content.readany()
        answer.close()
    with anyio.fail_after(1):
        await api.left.wait()


async def test_a_stream_that_the_api_cuts_does_not_look_finished(
    agent: Agent, api: FakeApi
) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        await response.write(START)
        assert request.transport is not None
        request.transport.close()
        return response

    api.behave = cut
    async with agent.post() as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert agent.usages[0][2].input_tokens == 7


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("GET", "/v1/models"),
        ("GET", "/"),
        ("POST", "/"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/files"),
        ("POST", "/v1/messages/"),
        ("POST", "//v1/messages"),
        ("POST", "/v1/./messages"),
        ("POST", "/v1/files/../messages"),
        ("POST", "/v1%2Fmessages"),
        ("POST", "/v1/messages/../files"),
        ("POST", "http://other.test/v1/messages"),
        ("DELETE", "/v1/messages"),
    ],
)
async def test_everything_else_is_not_found(
    agent: Agent, api: FakeApi, method: str, path: str
) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {agent.token}\r\n"
    answer = await raw(agent, request + "Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"not_found_error"' in answer
    assert api.seen == []


async def raw(agent: Agent, text: str) -> bytes:
    """Send bytes as they are, and read until the proxy closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(agent.url.rpartition(":")[2]))
    try:
        writer.write(text.encode())
        with anyio.fail_after(5):
            return await reader.read()
    finally:
        writer.close()


async def test_the_greeting_of_the_agent_program_is_answered_here(
    agent: Agent, api: FakeApi
) -> None:
    async with agent.client.head(agent.url + "/") as answer:
        assert answer.status == 200
    assert api.seen == []


@pytest.mark.parametrize(
    "credentials",
    [
        [],
        [("x-api-key", "")],
        [("x-api-key", "lag_invented")],
        [("x-api-key", KEY)],
        [("Authorization", "Bearer lag_invented")],
        [("x-api-key", "TOKEN"), ("x-api-key", "another")],
        [("x-api-key", "TOKEN"), ("Authorization", "Bearer another")],
    ],
)
async def test_only_a_live_grant_alone_opens(
    agent: Agent, api: FakeApi, credentials: list[tuple[str, str]]
) -> None:
    headers = [(name, value.replace("TOKEN", agent.token)) for name, value in credentials]
    url = f"{agent.url}/v1/messages"
    async with agent.client.post(url, json={}, headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["x-should-retry"] == "false"
        assert await error_of(answer) == "authentication_error"
    assert api.seen == []


async def test_a_rejected_key_is_final_and_reported(agent: Agent, api: FakeApi) -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        error = {"type": "authentication_error", "message": "invalid x-api-key"}
        return web.json_response(
            {"type": "error", "error": error}, status=401, headers={"x-should-retry": "true"}
        )

    api.behave = refuse
    async with agent.post() as answer:
        assert answer.status == 401
        assert answer.headers.getall("x-should-retry") == ["false"]
        assert (await answer.json())["error"]["message"] == "invalid x-api-key"
    assert agent.rejected == [agent.session_id]


async def test_a_missing_key_says_where_to_set_it(grants: Grants, api: FakeApi) -> None:
    async with agent_behind(grants, Upstream(base_url=api.url)) as (_, agent):
        async with agent.post() as answer:
            assert answer.status == 401
            assert answer.headers["x-should-retry"] == "false"
            assert "ANTHROPIC_API_KEY" in await answer.text()
        assert agent.rejected == [agent.session_id]
    assert api.seen == []


async def test_an_api_that_cannot_be_reached_is_a_502_with_its_place(grants: Grants) -> None:
    url = no_port()
    upstream = Upstream(base_url=url.replace("//", "//user:secret@"), api_key=KEY)
    async with agent_behind(grants, upstream) as (_, agent), agent.post() as answer:
        text = await answer.text()
        assert answer.status == 502
        assert "x-should-retry" not in answer.headers
        assert await error_of(answer) == "api_error"
        assert url in text
        assert "secret" not in text


async def test_a_redirect_is_not_followed_and_not_passed_on(agent: Agent, api: FakeApi) -> None:
    async def elsewhere(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"location": "http://127.0.0.1:1/"})

    api.behave = elsewhere
    async with agent.post() as answer:
        assert answer.status == 502
        assert "location" not in answer.headers
        assert "ANTHROPIC_BASE_URL" in await answer.text()


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 529])
async def test_other_errors_come_back_as_they_are(agent: Agent, api: FakeApi, status: int) -> None:
    async def fail(_: web.BaseRequest) -> web.StreamResponse:
        headers = {"retry-after": "3", "request-id": "req_1", "set-cookie": "a=b"}
        return web.json_response({"type": "error"}, status=status, headers=headers)

    api.behave = fail
    async with agent.post() as answer:
        assert answer.status == status
        assert await answer.json() == {"type": "error"}
        assert answer.headers["retry-after"] == "3"
        assert answer.headers["request-id"] == "req_1"
        assert "set-cookie" not in answer.headers
    assert agent.usages == []


async def test_a_compressed_answer_is_unpacked_and_metered(agent: Agent, api: FakeApi) -> None:
    async def packed(_: web.BaseRequest) -> web.StreamResponse:
        body = gzip.compress(START + END)
        return web.Response(body=body, headers=SSE | {"content-encoding": "gzip"})

    api.behave = packed
    async with agent.post() as answer:
        assert "content-encoding" not in answer.headers
        assert await answer.read() == START + END
    assert agent.usages[0][2].output_tokens == 42


async def test_models_not_on_the_list_are_not_found(grants: Grants, api: FakeApi) -> None:
    allowed = frozenset({"claude-x"})
    upstream = Upstream(base_url=api.url, api_key=KEY, models=allowed)
    async with agent_behind(grants, upstream) as (_, agent):
        async with agent.post({"model": "claude-y"}) as answer:
            assert answer.status == 404
            assert await error_of(answer) == "not_found_error"
        async with agent.post(
            b'{"model":"claude-y","a":[1.5,"\xc3\xa9"],"model":"claude-x"}'
        ) as ok:
            assert ok.status == 200
    (seen,) = api.seen
    assert seen.body == b'{"model":"claude-x","a":[1.5,"\xc3\xa9"]}'


async def test_half_a_surrogate_pair_arrives_as_it_was_sent(agent: Agent, api: FakeApi) -> None:
    async with agent.post(b'{"model":"claude-x","text":"\\ud83d"}') as answer:
        assert answer.status == 200
    assert json.loads(api.seen[0].body)["text"] == "\ud83d"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"a":NaN}', b"\xff", b'{"a":' * 5000 + b"1" + b"}" * 5000]
)
async def test_a_body_that_is_no_json_object_is_refused(
    agent: Agent, api: FakeApi, body: bytes
) -> None:
    async with agent.post(body) as answer:
        assert answer.status == 400
        assert await error_of(answer) == "invalid_request_error"
    assert api.seen == []


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_33_mb_is_refused(agent: Agent, api: FakeApi, declared: bool) -> None:
    async def pieces() -> object:
        for _ in range(33):
            yield b" " * (1 << 20)

    data = io.BytesIO(b" " * (33 << 20)) if declared else pieces()
    headers = {"x-api-key": agent.token}
    url = f"{agent.url}/v1/messages"
    try:
        async with agent.client.post(url, data=data, headers=headers) as answer:
            assert answer.status == 413
            assert await error_of(answer) == "request_too_large"
    except aiohttp.ClientConnectionError:
        # The proxy closed while the rest was being sent.
        assert not declared
    assert api.seen == []


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 2\r\nContent-Length: 30\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +2\r\n",
    ],
)
async def test_ambiguous_framing_is_refused(agent: Agent, api: FakeApi, framing: str) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {agent.token}\r\n"
    answer = await raw(agent, f"{head}{framing}Connection: close\r\n\r\n{{}}")
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert api.seen == []


async def test_each_request_of_a_pipeline_is_judged_on_its_own(agent: Agent, api: FakeApi) -> None:
    one = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {agent.token}\r\n"
    two = "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    answer = await raw(agent, f"{one}Content-Length: 2\r\n\r\n{{}}{two}")
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert answer.count(b"HTTP/1.1 404 ") == 1
    assert [seen.path for seen in api.seen] == ["/v1/messages"]


async def test_stopping_cuts_streams_and_may_be_repeated(grants: Grants, api: FakeApi) -> None:
    api.behave = endless
    upstream = Upstream(base_url=api.url, api_key=KEY)
    async with agent_behind(grants, upstream) as (proxy, agent), agent.post() as answer:
        await answer.content.readany()
        with anyio.fail_after(2):
            await proxy.stop()
            await proxy.stop()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readany()


@pytest.mark.parametrize(
    ("status", "state"), [(200, "ok"), (404, "ok"), (401, "rejected"), (500, "unreachable")]
)
async def test_the_key_can_be_checked(status: int, state: KeyState) -> None:
    async def models(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status)

    async with fake_api(models) as api:
        assert await Upstream(base_url=api.url, api_key=KEY).check() == state
        assert api.seen[0].path == "/v1/models?limit=1"
        assert api.seen[0].all("x-api-key") == [KEY]


async def test_a_check_knows_a_missing_key_and_an_api_that_is_not_there() -> None:
    assert await Upstream(base_url=no_port()).check() == "missing"
    assert await Upstream(base_url=no_port(), api_key=KEY).check() == "unreachable"
    assert await Upstream(base_url="http://", api_key=KEY).check() == "unreachable"


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(Upstream(base_url="http://x", api_key=KEY))

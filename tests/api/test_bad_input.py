"""Bad input: each with its own clear answer, and nothing broken afterwards."""

from __future__ import annotations

import base64
from typing import Any

import anyio
import httpx
import pytest

from tests.support.server import RunningServer


@pytest.fixture
async def session(http: httpx.AsyncClient) -> str:
    return str((await http.post("/api/sessions")).json()["id"])


def refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """The error of an answer, which must be the wire's envelope and hold these words."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["type"] == "error"
    assert body["request_id"] == answer.headers["request-id"]
    error: dict[str, Any] = body["error"]
    for word in words:
        assert word in error["message"], error["message"]
    if 400 <= status < 500:
        assert answer.headers["x-should-retry"] == "false"
    return error


def text(prompt: str) -> dict[str, Any]:
    return {"type": "user.message", "content": [{"type": "text", "text": prompt}]}


UNKNOWN = "sesn_00000000000000000000000000"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/sessions/{id}"),
        ("POST", "/v1/sessions/{id}"),
        ("DELETE", "/v1/sessions/{id}"),
        ("POST", "/v1/sessions/{id}/archive"),
        ("GET", "/v1/sessions/{id}/events"),
        ("GET", "/v1/sessions/{id}/events/stream"),
        ("GET", "/v1/sessions/{id}/queue"),
        ("DELETE", "/v1/sessions/{id}/queue/sevt_x"),
        ("GET", "/v1/sessions/{id}/asks"),
        ("GET", "/api/sessions/{id}"),
        ("PATCH", "/api/sessions/{id}"),
        ("DELETE", "/api/sessions/{id}"),
        ("GET", "/api/sessions/{id}/messages"),
        ("GET", "/api/sessions/{id}/events"),
        ("POST", "/api/sessions/{id}/interrupt"),
    ],
)
@pytest.mark.parametrize("name", [UNKNOWN, "nope", "sesn_..%2f..%2fetc", "%00", "x" * 5000])
async def test_an_unknown_session_is_a_404(
    http: httpx.AsyncClient, method: str, path: str, name: str
) -> None:
    body: Any = {} if method in {"POST", "PATCH"} else None
    error = refused(await http.request(method, path.format(id=name), json=body), 404)
    assert error["type"] == "not_found_error"
    assert len(error["message"]) < 6000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body is missing"),
        (b"{", "not valid JSON"),
        (b'{"prompt": "\xff"}', "not valid JSON"),
        (b'{"prompt": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"{}", 'Give either "prompt" or "content"'),
        (b'{"prompt": "a", "content": "b"}', "not both"),
        (b'{"prompt": 5}', "prompt: "),
        (b'{"prompt": ""}', "message is empty"),
        (b'{"prompt": " \\n "}', "message is empty"),
        (b'{"content": []}', "content: "),
        (b'{"content": [{"type": "text"}]}', "content.0.text: Field required"),
        (b'{"content": [{"type": "video"}]}', "type must be text, image or document"),
        (b'{"prompt": "a", "id": "../../x"}', "id: "),
    ],
)
async def test_a_message_that_cannot_be_understood_is_refused(
    http: httpx.AsyncClient, session: str, body: bytes, words: str
) -> None:
    answer = await http.post(f"/api/sessions/{session}/message", content=body)
    refused(answer, 400, words)
    assert (await http.get(f"/api/sessions/{session}")).json()["loop"]["seq"] == 0


async def test_a_prompt_of_ten_megabytes_is_refused_with_the_limit(
    http: httpx.AsyncClient, session: str
) -> None:
    huge = {"prompt": "x" * 10_000_000}
    error = refused(
        await http.post(f"/api/sessions/{session}/message", json=huge), 413, "1,000,000"
    )
    assert error["type"] == "request_too_large"


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_while_it_arrives(
    http: httpx.AsyncClient, session: str, declared: bool
) -> None:
    body = b'{"prompt": "' + b"x" * 14_000_000 + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    answer = await http.post(
        f"/api/sessions/{session}/message", content=body if declared else pieces()
    )
    refused(answer, 413, "12 MB")


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("x", "events: "),
        ([], "events: "),
        ([5], "events.0: type must be"),
        ([text("hi")] * 51, "events: "),
        ([{"type": "user.message"}], "events.0.content: Field required"),
        ([{"type": "user.message", "content": 5}], "events.0.content: "),
        ([{"type": "agent.message", "content": []}], "events.0: type must be"),
        ([{"type": "user.custom_tool_result"}], "not supported yet"),
        ([{"type": "system.message", "content": []}], "not supported yet"),
        ([{"type": "user.tool_confirmation", "result": "allow"}], "events.0.tool_use_id: "),
        (
            [{"type": "user.tool_confirmation", "tool_use_id": "x", "result": "maybe"}],
            "events.0.result: ",
        ),
        (
            [
                {
                    "type": "user.tool_confirmation",
                    "tool_use_id": "x",
                    "result": "allow",
                    "deny_message": "y",
                }
            ],
            "deny_message goes with result deny",
        ),
    ],
)
async def test_events_of_wrong_shape_are_refused(
    http: httpx.AsyncClient, session: str, events: Any, words: str
) -> None:
    refused(await http.post(f"/v1/sessions/{session}/events", json={"events": events}), 400, words)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "?"}, "not base64"),
        ({"type": "base64", "media_type": "image/tiff", "data": "AAAA"}, "media_type: "),
        ({"type": "file", "file_id": "file_1"}, "files are not supported yet"),
        ({"type": "url", "url": "file:///etc/passwd"}, "url: "),
        ("x", "source: "),
    ],
)
async def test_an_image_that_no_model_could_read_is_refused(
    http: httpx.AsyncClient, session: str, source: Any, words: str
) -> None:
    message = {"type": "user.message", "content": [{"type": "image", "source": source}]}
    answer = await http.post(f"/v1/sessions/{session}/events", json={"events": [message]})
    refused(answer, 400, words)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"agent": 5}, 400, "agent: "),
        ({"agent": "../x"}, 400, "agent.id: "),
        ({"agent": "agent_nope"}, 404, "agent_nope"),
        ({"agent": {"type": "other", "id": "x"}}, 400, "agent.type: "),
        ({"environment_id": "env_nope"}, 404, "env_nope"),
        ({"template": "missing"}, 400, "plain"),
        ({"template": "../../etc"}, 400, "template"),
        ({"title": 5}, 400, "title: "),
        ({"title": "x" * 501}, 400, "500"),
        ({"title": "a\u0000b"}, 400, "title: "),
        ({"metadata": {"k": 1}}, 400, "metadata.k: "),
        ({"metadata": {"k" * 65: "v"}}, 400, "64 characters"),
        ({"metadata": {"k": "v" * 513}}, 400, "512 characters"),
        ({"metadata": {str(n): "v" for n in range(17)}}, 400, "16 are allowed"),
        ({"resources": [{"type": "file"}]}, 400, "resources: not supported yet"),
        ({"vault_ids": ["vlt_1"]}, 400, "vault_ids: not supported yet"),
        ({"budget": {"type": "limit"}}, 400, "max_list_cost"),
        (
            {"budget": {"type": "limit", "max_list_cost": {"amount": "-1"}}},
            400,
            "greater than or equal to 0",
        ),
        ({"initial_events": [{"type": "user.define_outcome"}]}, 400, "initial_events.0.type: "),
        ({"initial_events": [text("")]}, 400, "message is empty"),
    ],
)
async def test_a_session_that_cannot_be_made_is_refused_and_leaves_nothing(
    server: RunningServer, http: httpx.AsyncClient, body: Any, status: int, words: str
) -> None:
    before = sorted(path.name for path in server.services.settings.workspace_root.iterdir())
    refused(await http.post("/v1/sessions", json=body), status, words)
    after = sorted(path.name for path in server.services.settings.workspace_root.iterdir())
    assert after == before


async def test_markup_in_a_title_stays_text(http: httpx.AsyncClient, session: str) -> None:
    title = "<script>alert(1)</script> & \u202e 'x'"
    changed = await http.post(f"/v1/sessions/{session}", json={"title": title})
    assert changed.json()["title"] == title
    for path in ("/", f"/sessions/{session}"):
        page = await http.get(path, headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "&lt;script&gt;alert(1)" in page.text
        assert "<script>alert(1)" not in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/%2e%2e/config.py",
        "/static//etc/passwd",
        "/static/..\\app.py",
        "/sessions/..%2f..%2fetc%2fpasswd",
    ],
)
async def test_no_path_leads_out_of_what_is_served(http: httpx.AsyncClient, path: str) -> None:
    url = httpx.URL(str(http.base_url)).copy_with(raw_path=path.encode())
    answer = await http.get(url)
    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("limit=x", "limit: "),
        ("limit=999999999999999999999999", "limit: "),
        ("order=up", "order: "),
        ("page=nonsense", "page"),
        ("after=-1", "after: "),
        ("after=99999999999999999999", "after: "),
        ("created_at[gte]=yesterday", "created_at[gte]: "),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(
    http: httpx.AsyncClient, session: str, query: str, words: str
) -> None:
    refused(await http.get(f"/v1/sessions/{session}/events?{query}"), 400, words)


@pytest.mark.parametrize(
    "query", ["page=nonsense", "page=%00", "statuses[]=asleep", "limit=101", "created_at[lt]=x"]
)
async def test_a_list_that_makes_no_sense_is_refused(http: httpx.AsyncClient, query: str) -> None:
    refused(await http.get(f"/v1/sessions?{query}"), 400)


@pytest.mark.parametrize("place", ["-1", "x", "1.5", "9" * 30])
async def test_a_last_event_id_that_is_no_seq_is_refused(
    http: httpx.AsyncClient, session: str, place: str
) -> None:
    path = f"/v1/sessions/{session}/events/stream"
    refused(await http.get(path, headers={"last-event-id": place}), 400, "Last-Event-ID")


async def test_a_stream_preview_of_something_else_is_refused(
    http: httpx.AsyncClient, session: str
) -> None:
    path = f"/v1/sessions/{session}/events/stream?event_deltas[]=agent.tool_use"
    refused(await http.get(path), 400, "event_deltas[].0: ")


async def test_an_archived_session_takes_no_messages(http: httpx.AsyncClient, session: str) -> None:
    assert (await http.post(f"/v1/sessions/{session}/archive")).status_code == 200
    answer = await http.post(f"/api/sessions/{session}/message", json={"prompt": "hi"})
    error = refused(answer, 409, "archived")
    assert error["details"] == {"error_code": "session_archived"}
    assert (await http.post(f"/v1/sessions/{session}/archive")).status_code == 200, "once more"


async def test_an_answer_to_nothing_is_refused(http: httpx.AsyncClient, session: str) -> None:
    path = f"/api/sessions/{session}/confirm"
    refused(await http.post(path, json={"allow": True}), 409, "No tool call waits")
    refused(await http.post(path, json={"allow": True, "event_id": "sevt_nope"}), 404, "sevt_nope")
    refused(await http.post(path, json={}), 400, "allow: ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m"}, "name: "),
        ({"name": "", "model": "m"}, "name: "),
        ({"name": "x"}, "model: "),
        ({"name": "x", "model": ""}, "model.id: "),
        ({"name": "x", "model": {"id": "m", "effort": "huge"}}, "model.effort: "),
        ({"name": "x", "model": "m", "tools": [{"type": "custom", "name": "y"}]}, "custom"),
        ({"name": "x", "model": "m", "tools": [{"type": "mcp_toolset"}]}, "mcp_toolset"),
        (
            {
                "name": "x",
                "model": "m",
                "tools": [{"type": "agent_toolset_20260401", "configs": [{"name": "fly"}]}],
            },
            "fly",
        ),
        ({"name": "x", "model": "m", "tools": [{"type": "toolbox"}]}, "no type of tools"),
        ({"name": "x", "model": "m", "tools": [{"type": "agent_toolset_20260401"}] * 2}, "Merge"),
        ({"name": "x", "model": "m", "mcp_servers": [{"name": "y"}]}, "mcp_servers: not supported"),
        ({"name": "x", "model": "m", "system": "y" * 100_001}, "system: "),
    ],
)
async def test_an_agent_that_cannot_be_made_is_refused(
    http: httpx.AsyncClient, body: Any, words: str
) -> None:
    refused(await http.post("/v1/agents", json=body), 400, words)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "name: "),
        ({"name": "x", "config": {"type": "moon"}}, "config.type: "),
        (
            {"name": "x", "config": {"type": "cloud", "networking": {"type": "limited"}}},
            "networking 'limited' is not supported yet",
        ),
        (
            {"name": "x", "config": {"type": "cloud", "packages": {"pip": ["numpy"]}}},
            "packages are not supported yet",
        ),
    ],
)
async def test_an_environment_that_cannot_be_made_is_refused(
    http: httpx.AsyncClient, body: Any, words: str
) -> None:
    refused(await http.post("/v1/environments", json=body), 400, words)


async def test_metadata_is_changed_key_by_key(http: httpx.AsyncClient) -> None:
    for path, body in (
        ("/v1/agents", {"name": "x", "model": "m"}),
        ("/v1/environments", {"name": "x"}),
        ("/v1/sessions", {}),
    ):
        made = await http.post(path, json={**body, "metadata": {"a": "1", "b": "2"}})
        change = {"metadata": {"a": "3", "b": None if path != "/v1/environments" else ""}}
        changed = await http.post(f"{path}/{made.json()['id']}", json=change)
        assert changed.json()["metadata"] == {"a": "3"}, path


async def test_what_is_archived_is_not_used_any_more(http: httpx.AsyncClient) -> None:
    agent = (await http.post("/v1/agents", json={"name": "Old", "model": "m"})).json()["id"]
    place = (await http.post("/v1/environments", json={"name": "Old"})).json()["id"]
    refused(await http.post(f"/v1/agents/{agent}", json={"name": "New", "version": 7}), 409, "1")
    for path in (f"/v1/agents/{agent}", f"/v1/environments/{place}"):
        assert (await http.post(f"{path}/archive")).status_code == 200
    refused(await http.post("/v1/sessions", json={"agent": agent}), 409, "Choose another")
    refused(await http.post("/v1/sessions", json={"environment_id": place}), 409, "Choose another")
    refused(await http.post(f"/v1/agents/{agent}", json={"name": "New"}), 409, "Create a new one")


async def test_the_defaults_stay(http: httpx.AsyncClient) -> None:
    refused(await http.post("/v1/agents/agent_default/archive"), 409, "default")
    refused(await http.post("/v1/environments/env_default/archive"), 409, "default")
    refused(await http.delete("/v1/environments/env_default"), 409, "default")


async def test_an_id_that_another_session_has_used_is_refused(
    http: httpx.AsyncClient, session: str
) -> None:
    other = (await http.post("/api/sessions")).json()["id"]
    interrupt = {"type": "user.interrupt", "id": "sevt_used_once"}
    path = "/v1/sessions/{}/events"
    first = await http.post(path.format(session), json={"events": [interrupt]})
    again = await http.post(path.format(session), json={"events": [interrupt]})
    assert first.json() == again.json()
    answer = await http.post(path.format(other), json={"events": [interrupt]})
    refused(answer, 409, "Another session")


async def test_a_field_that_we_do_not_know_does_no_harm(http: httpx.AsyncClient) -> None:
    body = {"title": "x", "deployment_id": None, "something_new": {"a": 1}}
    assert (await http.post("/v1/sessions", json=body)).status_code == 200


async def test_a_client_cannot_set_what_the_log_sets(http: httpx.AsyncClient, session: str) -> None:
    forged = {"type": "user.interrupt", "seq": 99, "processed_at": "2001-01-01T00:00:00Z"}
    path = f"/v1/sessions/{session}/events"
    (stored,) = (await http.post(path, json={"events": [forged]})).json()["data"]
    assert stored["seq"] == 1
    assert not stored["processed_at"].startswith("2001")


async def test_an_image_reaches_the_log_as_it_was_sent(
    http: httpx.AsyncClient, session: str
) -> None:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    message = {"type": "user.message", "content": [{"type": "image", "source": source}]}
    path = f"/v1/sessions/{session}"
    answer = await http.post(f"{path}/events", json={"events": [message]})
    assert answer.json()["data"][0]["content"] == message["content"]
    with anyio.fail_after(20):
        assert (await http.delete(path)).status_code == 200

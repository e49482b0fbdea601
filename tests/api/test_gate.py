"""What every request passes first: host, origin, size and caller; what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from loopagent.auth.auth import Auth
from loopagent.auth.cookie import COOKIE_NAME
from loopagent.config import Settings
from loopagent.errors import ConflictError, LimitReachedError, LoopError, StorageError
from loopagent.storage.database import Database
from loopagent.web.errors import add_error_handlers
from loopagent.web.origins import host_name, host_problem, origin_problem
from loopagent.web.security import Gate
from tests.support.server import RunningServer, running_server


class Bare:
    """Just enough services for the gate."""

    def __init__(self, settings: Settings, auth: Auth) -> None:
        self.settings = settings
        self.auth = auth


def bare_app(settings: Settings, database: Database) -> FastAPI:
    app = FastAPI()
    add_error_handlers(app)
    services: Any = Bare(settings, Auth(settings, database))

    @app.get("/v1/fails/{kind}")
    async def fails(kind: str) -> None:
        errors: dict[str, Exception] = {
            "crash": RuntimeError("a secret detail"),
            "conflict": ConflictError("Not now. Wait."),
            "limit": LimitReachedError("Too many. Wait."),
            "storage": StorageError("The disk is full. Make room."),
            "unnamed": LoopError("x"),
        }
        raise errors[kind]

    @app.post("/v1/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    app.add_middleware(Gate, services=lambda: services)
    return app


@pytest.fixture
async def open_client(tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    database = Database.open(f"file:{tmp_path}/sessions.db")
    transport = httpx.ASGITransport(app=bare_app(Settings(), database))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8484") as client:
        yield client
    database.close()


@pytest.mark.parametrize(
    ("host", "is_fine"),
    [
        ("localhost:8484", True),
        ("LOCALHOST", True),
        ("127.0.0.1:1", True),
        ("[::1]:8484", True),
        ("box.example:8484", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.5:8484", False),
        ("localhost:x", False),
        ("user@localhost", False),
        ("localhost/path", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_only_known_names_reach_a_server_on_loopback(host: str, is_fine: bool) -> None:
    settings = Settings(trusted_hosts=("Box.example",))
    assert (host_problem(Headers({"host": host}), settings) is None) == is_fine


def test_a_public_server_is_reached_by_any_address_but_not_by_any_name() -> None:
    public = Settings(host="0.0.0.0", password="a-password")
    assert host_problem(Headers({"host": "192.168.1.5:8484"}), public) is None
    assert host_problem(Headers({"host": "[fe80::1]:8484"}), public) is None
    assert host_problem(Headers({"host": "rebound.example"}), public) is not None


def test_two_hosts_in_one_request_are_refused() -> None:
    twice = Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])
    assert host_problem(twice, Settings()) is not None
    assert host_name("a:b:c") is None


@pytest.mark.parametrize(
    ("headers", "is_fine"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "http://evil.example"}, True),
        ({"origin": "http://localhost:8484"}, True),
        ({"origin": "http://localhost:9999"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://evil.example", "authorization": "Bearer t"}, True),
        ({"origin": "http://evil.example", "x-api-key": "t"}, True),
        ({"origin": "http://evil.example", "authorization": "Basic eA=="}, False),
        ({"origin": "http://evil.example", "authorization": "Bearer t", "cookie": "a=b"}, False),
    ],
)
def test_pages_of_other_sites_change_nothing(headers: dict[str, str], is_fine: bool) -> None:
    given = Headers({"host": "localhost:8484", **headers})
    assert (origin_problem("POST", given) is None) == is_fine


def test_pages_of_other_sites_may_link_to_us_but_not_load_us() -> None:
    link = Headers({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    script = Headers({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"})
    assert origin_problem("GET", link) is None
    assert origin_problem("GET", script) is not None


async def test_nothing_passes_as_a_websocket(tmp_path: Any) -> None:
    async def behind(*_: Any) -> None:
        raise AssertionError("let in")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    gate = Gate(behind, services=lambda: pytest.fail("asked"))
    await gate({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_refused_host_hears_what_to_do(open_client: httpx.AsyncClient) -> None:
    answer = await open_client.get("/v1/x", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert "LOOP_AGENT_TRUSTED_HOSTS" in answer.json()["error"]["message"]
    empty = await open_client.get("/v1/x", headers={"host": ""})
    assert empty.status_code == 400


async def test_a_forged_request_is_a_403(open_client: httpx.AsyncClient) -> None:
    answer = await open_client.post("/v1/echo", json={}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert answer.json()["error"]["details"] == {"error_code": "cross_origin"}


@pytest.mark.parametrize(
    ("kind", "status", "wire_type", "retry"),
    [
        ("conflict", 409, "invalid_request_error", "false"),
        ("limit", 429, "rate_limit_error", None),
        ("storage", 503, "api_error", None),
        ("unnamed", 500, "api_error", None),
    ],
)
async def test_our_errors_take_the_wires_envelope(
    open_client: httpx.AsyncClient, kind: str, status: int, wire_type: str, retry: str | None
) -> None:
    answer = await open_client.get(f"/v1/fails/{kind}")
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == wire_type
    assert answer.headers.get("x-should-retry") == retry
    assert ("retry-after" in answer.headers) == (status in {429, 503})


async def test_a_crash_tells_its_number_and_no_detail(
    open_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await open_client.get("/v1/fails/crash")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["request-id"] in answer.json()["error"]["message"]
    assert answer.headers["request-id"] in caplog.text
    assert "a secret detail" in caplog.text


async def test_routes_that_are_not_there_take_the_envelope(open_client: httpx.AsyncClient) -> None:
    missing = await open_client.get("/v1/nothing")
    wrong = await open_client.delete("/v1/echo")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"


async def test_every_answer_carries_its_number_and_the_security_headers(
    open_client: httpx.AsyncClient,
) -> None:
    refused = await open_client.get("/v1/x", headers={"host": "evil.example"})
    found = await open_client.get("/openapi.json")
    assert refused.headers["request-id"] != found.headers["request-id"]
    for answer in (refused, found):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-permitted-cross-domain-policies"] == "none"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
        assert "img-src 'self' data:;" in policy
        assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningServer]:
    home = tmp_path_factory.mktemp("locked")
    secret = {"password": "correct horse", "token": "token-of-a-program"}
    async with running_server(home, **secret) as server:
        yield server


async def test_programs_show_a_token_in_either_header(locked: RunningServer) -> None:
    async with locked.client() as client:
        for headers in (
            {"authorization": "Bearer token-of-a-program"},
            {"x-api-key": "correct horse"},
        ):
            assert (await client.get("/v1/sessions", headers=headers)).status_code == 200
        for wrong in ({}, {"x-api-key": "wrong"}, {"authorization": "Basic token-of-a-program"}):
            answer = await client.get("/v1/sessions", headers=wrong)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_official_client_signs_in_with_its_key(locked: RunningServer) -> None:
    async with locked.anthropic(api_key="token-of-a-program") as client:
        assert (await client.beta.agents.retrieve("agent_default")).name


async def test_people_are_led_to_the_sign_in_and_back(locked: RunningServer) -> None:
    async with locked.client() as client:
        page = {"accept": "text/html"}
        answer = await client.get("/sessions/sesn_x?tab=2", headers=page)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/sessions/sesn_x%3Ftab%3D2"
        fragment = await client.get("/sessions", headers=page | {"hx-request": "true"})
        assert fragment.headers["hx-redirect"] == "/login"
        assert (await client.get("/login", headers=page)).status_code == 200
        for path in ("/healthz", "/readyz", "/static/manifest.json"):
            assert (await client.get(path)).status_code == 200, path
        for path in ("/metrics", "/openapi.json", "/api/sessions"):
            assert (await client.get(path)).status_code == 401, path


async def test_a_cookie_is_no_token_for_other_sites(locked: RunningServer) -> None:
    cookie = {"cookie": f"{COOKIE_NAME}={await locked.services.auth.sign_in('correct horse')}"}
    async with locked.client() as client:
        assert (await client.get("/v1/sessions", headers=cookie)).status_code == 200
        forged = cookie | {"origin": "http://evil.example"}
        assert (await client.post("/v1/sessions", json={}, headers=forged)).status_code == 403


async def test_health_and_numbers(server: RunningServer, http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz", headers={"host": "any.example"})).text == "ok\n"
    assert (await http.get("/readyz")).text == "ready\n"
    await http.post("/api/sessions")
    text = (await http.get("/metrics")).text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert int(numbers['loop_agent_sessions{status="idle"}']) >= 1
    assert float(numbers["loop_agent_uptime_seconds"]) > 0
    assert "loop_agent_live_processes" in numbers
    assert any('model_source="scripted"' in name for name in numbers)


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()
    operations = {
        (method, path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert all(operation["summary"] and operation["tags"] for operation in operations.values())
    assert ("post", "/v1/sessions/{session_id}/events") in operations
    assert ("post", "/api/sessions/{session_id}/message") in operations
    body = operations["post", "/api/sessions/{session_id}/message"]["requestBody"]
    assert "ShortMessage" in str(body)
    assert not [
        path
        for _, path in operations
        if not path.startswith(("/v1", "/api")) and path not in {"/healthz", "/readyz", "/metrics"}
    ]


async def test_files_with_a_hash_in_their_name_are_kept_for_ever(http: httpx.AsyncClient) -> None:
    manifest = await http.get("/static/manifest.json")
    assert "immutable" not in manifest.headers.get("cache-control", "")
    icons = manifest.json()["icons.svg"]
    assert "immutable" in (await http.get(f"/static/{icons}")).headers["cache-control"]
    assert (await http.get("/static/../app.py")).status_code == 404


async def test_curl_may_label_json_as_a_form(http: httpx.AsyncClient) -> None:
    label = {"content-type": "application/x-www-form-urlencoded"}
    answer = await http.post("/api/sessions", content=b'{"title": "by curl"}', headers=label)
    assert answer.json()["title"] == "by curl"


async def test_a_client_that_leaves_in_mid_body_leaves_no_trace(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        head = "POST /api/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        await stream.send(head.encode())
    async with server.client() as client:
        assert (await client.get("/healthz")).status_code == 200
    assert "failed" not in caplog.text

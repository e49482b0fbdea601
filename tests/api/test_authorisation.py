"""Every route, times every kind of caller. A route that is not in the table fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from loopagent.auth.cookie import COOKIE_NAME
from loopagent.auth.principal import LOCAL_PRINCIPAL
from loopagent.domain.ids import UserId, new_event_id
from loopagent.storage import agents, environments, sessions
from loopagent.storage.database import Connection
from loopagent.web import security
from loopagent.web.app import create_app
from tests.domain import made
from tests.support.server import RunningServer, running_server

PASSWORD = "four words of somebody"
TITLE = "the stranger's plans"
MESSAGE = {"type": "user.message", "content": [{"type": "text", "text": "hello"}]}

# Who may: open to all, or the scope that is needed. A body, where a route needs one to get as far
# as the question whose session it is.
ROUTES: Mapping[str, tuple[str, object]] = {
    "GET /openapi.json": ("read", None),
    "GET /healthz": ("open", None),
    "GET /readyz": ("open", None),
    "GET /metrics": ("read", None),
    "GET /static/{file}": ("open", None),
    "GET /v1/agents": ("read", None),
    "POST /v1/agents": ("write", {"name": "n", "model": "m"}),
    "GET /v1/agents/{agent_id}": ("read", None),
    "POST /v1/agents/{agent_id}": ("write", {"name": "n"}),
    "POST /v1/agents/{agent_id}/archive": ("write", None),
    "GET /v1/agents/{agent_id}/versions": ("read", None),
    "GET /v1/environments": ("read", None),
    "POST /v1/environments": ("write", {"name": "n"}),
    "GET /v1/environments/{environment_id}": ("read", None),
    "POST /v1/environments/{environment_id}": ("write", {"name": "n"}),
    "DELETE /v1/environments/{environment_id}": ("write", None),
    "POST /v1/environments/{environment_id}/archive": ("write", None),
    "GET /v1/sessions": ("read", None),
    "POST /v1/sessions": (
        "write",
        {"agent": "agent_default", "environment_id": "env_default"},
    ),
    "GET /v1/sessions/{session_id}": ("read", None),
    "POST /v1/sessions/{session_id}": ("write", {"title": "n"}),
    "DELETE /v1/sessions/{session_id}": ("write", None),
    "POST /v1/sessions/{session_id}/archive": ("write", None),
    "POST /v1/sessions/{session_id}/resume": ("write", None),
    "GET /v1/sessions/{session_id}/queue": ("read", None),
    "DELETE /v1/sessions/{session_id}/queue": ("write", None),
    "PATCH /v1/sessions/{session_id}/queue": ("write", {"order": ["sevt_1"]}),
    "PATCH /v1/sessions/{session_id}/queue/{event_id}": ("write", {"mode": "steer"}),
    "DELETE /v1/sessions/{session_id}/queue/{event_id}": ("write", None),
    "GET /v1/sessions/{session_id}/tasks": ("read", None),
    "POST /v1/sessions/{session_id}/tasks/{task_id}/stop": ("write", None),
    "GET /v1/sessions/{session_id}/workspace": ("read", None),
    "GET /v1/sessions/{session_id}/workspace/entries": ("read", None),
    "GET /v1/sessions/{session_id}/workspace/file": ("read", None),
    "PUT /v1/sessions/{session_id}/workspace/file": ("write", {}),
    "POST /v1/sessions/{session_id}/workspace/folders": ("write", {"path": "n"}),
    "POST /v1/sessions/{session_id}/workspace/rename": ("write", {"path": "n", "to": "m"}),
    "DELETE /v1/sessions/{session_id}/workspace/entry": ("write", None),
    "GET /v1/sessions/{session_id}/workspace/zip": ("read", None),
    "GET /v1/sessions/{session_id}/workspace/checkpoints": ("read", None),
    "GET /v1/sessions/{session_id}/workspace/diff": ("read", None),
    "GET /v1/sessions/{session_id}/workspace/patch": ("read", None),
    "POST /v1/sessions/{session_id}/workspace/checkpoints/{number}/rewind": ("write", None),
    "GET /v1/sessions/{session_id}/usage": ("read", None),
    "POST /v1/sessions/{session_id}/raise": ("write", {}),
    "GET /v1/sessions/{session_id}/asks": ("read", None),
    "GET /v1/sessions/{session_id}/events": ("read", None),
    "POST /v1/sessions/{session_id}/events": ("write", {"events": [MESSAGE]}),
    "GET /v1/sessions/{session_id}/events/stream": ("read", None),
    "GET /api/sessions": ("read", None),
    "POST /api/sessions": ("write", {}),
    "GET /api/sessions/{session_id}": ("read", None),
    "PATCH /api/sessions/{session_id}": ("write", {"title": "n"}),
    "DELETE /api/sessions/{session_id}": ("write", None),
    "GET /api/sessions/{session_id}/messages": ("read", None),
    "POST /api/sessions/{session_id}/message": ("write", {"prompt": "hello"}),
    "POST /api/sessions/{session_id}/confirm": ("write", {"allow": True}),
    "POST /api/sessions/{session_id}/resume": ("write", None),
    "POST /api/sessions/{session_id}/interrupt": ("write", None),
    "GET /api/sessions/{session_id}/events": ("read", None),
    "GET /api/usage": ("read", None),
    "POST /api/stop": ("write", None),
    "POST /api/resume": ("write", None),
    "GET /": ("read", None),
    "GET /live": ("read", None),
    "GET /live/asks": ("read", None),
    "GET /search": ("read", None),
    "GET /palette": ("read", None),
    "GET /manifest.webmanifest": ("open", None),
    "POST /theme": ("write", "theme=dark"),
    "GET /new": ("read", None),
    "GET /settings": ("read", None),
    "GET /docs": ("read", None),
    "GET /usage": ("read", None),
    "POST /stop": ("write", ""),
    "POST /resume": ("write", ""),
    "POST /sessions": ("write", "text="),
    "GET /sessions/{session_id}": ("read", None),
    "GET /sessions/{session_id}/stream": ("read", None),
    "GET /sessions/{session_id}/history": ("read", None),
    "GET /sessions/{session_id}/events/{event_id}/output": ("read", None),
    "GET /sessions/{session_id}/workspace": ("read", None),
    "GET /sessions/{session_id}/workspace/raw": ("read", None),
    "GET /sessions/{session_id}/workspace/zip": ("read", None),
    "POST /sessions/{session_id}/workspace/upload": ("write", "path="),
    "POST /sessions/{session_id}/workspace/folder": ("write", "path=&name=n"),
    "POST /sessions/{session_id}/workspace/rename": ("write", "path=n&to=m"),
    "POST /sessions/{session_id}/workspace/delete": ("write", "path=n"),
    "GET /sessions/{session_id}/changes": ("read", None),
    "GET /sessions/{session_id}/changes/patch": ("read", None),
    "POST /sessions/{session_id}/changes/rewind/{number}": ("write", ""),
    "POST /sessions/{session_id}/messages": ("write", "text=hello"),
    "POST /sessions/{session_id}/interrupt": ("write", ""),
    "POST /sessions/{session_id}/resume": ("write", ""),
    "POST /sessions/{session_id}/recovery": ("write", "recovery=ask"),
    "POST /sessions/{session_id}/model": ("write", "model=some-model"),
    "GET /sessions/{session_id}/files": ("read", None),
    "GET /sessions/{session_id}/context": ("read", None),
    "GET /sessions/{session_id}/rules": ("read", None),
    "POST /sessions/{session_id}/rules/{rule_id}/remove": ("write", ""),
    "POST /sessions/{session_id}/queue/clear": ("write", ""),
    "POST /sessions/{session_id}/queue/{event_id}/edit": ("write", "text=hello"),
    "POST /sessions/{session_id}/queue/{event_id}/up": ("write", ""),
    "POST /sessions/{session_id}/queue/{event_id}/{mode}": ("write", ""),
    "POST /sessions/{session_id}/queue/{event_id}/remove": ("write", ""),
    "POST /sessions/{session_id}/tasks/{task_id}/stop": ("write", ""),
    "POST /sessions/{session_id}/asks/{event_id}": ("write", "result=allow"),
    "GET /sessions/{session_id}/usage": ("read", None),
    "POST /sessions/{session_id}/budget": ("write", "amount=1"),
    "POST /sessions/{session_id}/raise": ("write", ""),
    "POST /sessions/{session_id}/rename": ("write", "title=n"),
    "GET /sessions/{session_id}/peek": ("read", None),
    "GET /sessions/{session_id}/at/{event_id}": ("read", None),
    "GET /sessions/{session_id}/export.{kind}": ("read", None),
    "POST /sessions/{session_id}/pin": ("write", ""),
    "POST /sessions/{session_id}/unpin": ("write", ""),
    "POST /sessions/{session_id}/archive": ("write", ""),
    "POST /sessions/{session_id}/unarchive": ("write", ""),
    "POST /sessions/{session_id}/trash": ("write", ""),
    "POST /sessions/{session_id}/restore": ("write", ""),
    "GET /sessions/{session_id}/delete": ("read", None),
    "POST /sessions/{session_id}/delete": ("write", ""),
    "GET /login": ("open", None),
    "POST /login": ("open", "password="),
    "POST /logout": ("open", ""),
    "GET /set-up": ("open", None),
    "POST /set-up": ("open", "link=&password=&again="),
    "GET /security": ("admin", None),
    "POST /security/password": ("admin", "old=&password=short&again=short"),
    "POST /security/tokens": ("admin", "name=&scope=read"),
    "POST /security/tokens/{token_id}/revoke": ("admin", ""),
    "POST /security/sign-ins/{sign_in_id}/end": ("admin", ""),
    "POST /security/sign-ins/end": ("admin", ""),
}
SCOPES = ("read", "write", "admin")
# To the one who deletes, what is another's is as good as gone.
GONE = {"POST /sessions/{session_id}/trash": 303}


@dataclass(frozen=True)
class House:
    """A server with a password, a token of each scope, and things that are somebody else's."""

    server: RunningServer
    tokens: dict[str, str]
    foreign: dict[str, str]

    async def ask(
        self, client: httpx.AsyncClient, route: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The answer to a request of the route's kind for the foreign things."""
        method, path = route.split(" ", 1)
        body = ROUTES[route][1]
        form = {"content-type": "application/x-www-form-urlencoded"}
        request = client.build_request(
            method,
            path.format_map(self.foreign),
            headers={**headers, **(form if isinstance(body, str) else {})},
            content=body if isinstance(body, str) else None,
            json=None if isinstance(body, str) else body,
        )
        answer = await client.send(request, stream=True)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aclose()  # it has no end
            return httpx.Response(answer.status_code, headers=answer.headers)
        await answer.aread()
        return answer


@pytest.fixture(autouse=True)
def no_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    """These callers are over every limit at once; that they wait is tested elsewhere."""
    monkeypatch.setattr(security, "PENALTY_SECONDS", 0)


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with running_server(tmp_path_factory.mktemp("house"), password=PASSWORD) as server:
        account = server.services.account
        tokens = {
            scope: (await account.create_token(LOCAL_PRINCIPAL, scope, scope))[1]
            for scope in SCOPES
        }
        other = UserId("user_other")
        session = made.session(owner=other, title=TITLE)
        agent, environment = made.agent(name=TITLE), made.environment(name=TITLE)

        def insert(conn: Connection) -> None:
            sessions.insert_row(conn, session)
            agents.insert_agent(conn, agent, other)
            environments.insert_environment(conn, environment, other)

        await server.services.database.write(insert)
        foreign = {
            "session_id": session.id,
            "agent_id": agent.id,
            "environment_id": environment.id,
            "event_id": new_event_id(),
            "task_id": "task_none",
            "rule_id": "rule_none",
            "mode": "steer",
            "token_id": "tok_none",
            "sign_in_id": "sgn_none",
            "file": "manifest.json",
            "kind": "md",
            "number": "1",
        }
        yield House(server, tokens, foreign)


def routes_of_the_app(server: RunningServer) -> set[str]:
    app = create_app(server.services)
    return {
        f"{method} {route.path}{'' if route.methods else '/{file}'}"
        for route in iter_route_contexts(app.routes)
        for method in sorted(set(route.methods or {"GET"}) - {"HEAD"})
    }


async def test_every_route_has_its_row(house: House) -> None:
    assert routes_of_the_app(house.server) == set(ROUTES), "say in ROUTES who may use the route"


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"authorization": "Bearer lat_wrong"},
        {"x-api-key": "lat_wrong"},
        {"authorization": "Basic bG9vcDpsb29w"},
        {"cookie": f"{COOKIE_NAME}=wrong"},
    ],
    ids=["none", "wrong bearer", "wrong key", "basic", "wrong cookie"],
)
async def test_without_right_credentials_only_the_open_routes_answer(
    house: House, credentials: dict[str, str]
) -> None:
    odd = {}
    async with house.server.client() as client:
        for route, (need, _) in ROUTES.items():
            answer = await house.ask(client, route, credentials)
            # Many wrong tokens of one address bring a pause.
            shut = answer.status_code in {401, 429}
            # What is open says no by itself: a wrong password, a link that was used.
            told_no = need == "open" and route.split()[1] in {"/login", "/set-up"}
            if (shut is (need == "open") and not told_no) or TITLE in answer.text:
                odd[route] = answer.status_code
    assert odd == {}


async def test_people_without_credentials_are_led_to_the_sign_in(house: House) -> None:
    async with house.server.client() as client:
        for route, (need, _) in ROUTES.items():
            path = route.split(" ", 1)[1]
            is_page = not path.startswith(("/v1", "/api", "/openapi", "/metrics"))
            if need != "open" and route.startswith("GET") and is_page:
                answer = await house.ask(client, route, {"accept": "text/html"})
                assert answer.status_code == 303, route
                assert answer.headers["location"].startswith("/login?next=/"), route


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_token_opens_what_its_scope_holds_and_nothing_else(
    house: House, scope: str
) -> None:
    odd = {}
    async with house.server.client() as client:
        for route, (need, _) in ROUTES.items():
            if need == "open":
                continue
            answer = await house.ask(client, route, {"x-api-key": house.tokens[scope]})
            may = SCOPES.index(need) <= SCOPES.index(scope)
            refused = answer.status_code == 403
            # A wrong present password is a 401 of the form, not of the door.
            if may is refused or answer.status_code >= 500 or TITLE in answer.text:
                odd[route] = (need, answer.status_code)
    assert odd == {}


async def test_what_is_somebody_elses_is_not_found_by_any_route(house: House) -> None:
    odd = {}
    async with house.server.client() as client:
        for route in ROUTES:
            if any(part in route for part in ("{session_id}", "{agent_id}", "{environment_id}")):
                answer = await house.ask(client, route, {"x-api-key": house.tokens["admin"]})
                if answer.status_code != GONE.get(route, 404):
                    odd[route] = answer.status_code
    assert odd == {}
    database = house.server.services.database
    kept = await database.read(
        lambda conn: sessions.get(conn, house.foreign["session_id"])  # type: ignore[arg-type]
    )
    assert (kept.title, kept.archived_at) == (TITLE, None)


async def test_a_cookie_opens_all_and_only_for_its_own_pages(house: House) -> None:
    value = await house.server.services.auth.sign_in(PASSWORD)
    cookie = {"cookie": f"{COOKIE_NAME}={value}"}
    forged = cookie | {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    async with house.server.client() as client:
        for route, (need, _) in ROUTES.items():
            if route in {"POST /security/sign-ins/end", "POST /logout"}:
                continue
            foreign = await house.ask(client, route, forged)
            assert foreign.status_code == 403, route
            if need != "open":
                answer = await house.ask(client, route, cookie)
                assert answer.status_code not in {403, 429}, route
                assert answer.status_code < 500, route


async def test_a_refused_request_changes_nothing(house: House) -> None:
    async with house.server.client(headers={"x-api-key": house.tokens["read"]}) as client:

        async def known() -> list[str]:
            return [one["id"] for one in (await client.get("/api/sessions")).json()["data"]]

        before = await known()
        assert (await client.post("/api/sessions", json={})).status_code == 403
        assert await known() == before

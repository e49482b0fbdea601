"""The first set-up, signing in and out, and what the security page does: over a real port."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest

from loopagent.auth.cookie import COOKIE_NAME
from loopagent.auth.principal import Principal
from loopagent.domain.ids import is_session_id
from tests.support.server import RunningServer, running_server

OWN = "four words of somebody"
PAGE = {"accept": "text/html", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"}


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[RunningServer]:
    """A server that others can reach, by one proxy, and that has no password yet."""
    async with running_server(tmp_path, trusted_proxies=1) as server:
        yield server


@pytest.fixture
async def browser(fresh: RunningServer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which the owner has set the server up."""
    link = await fresh.services.auth.new_set_up_link()
    async with fresh.client(headers=PAGE) as client:
        form = {"link": link, "password": OWN, "again": OWN}
        answer = await client.post("/set-up", data=form)
        assert answer.status_code == 303, answer.text
        yield client


async def test_before_the_set_up_every_page_leads_to_a_closed_door(fresh: RunningServer) -> None:
    async with fresh.client(headers=PAGE, follow_redirects=True) as client:
        for path in ("/", "/settings", "/security", "/docs"):
            page = await client.get(path)
            assert page.url.path == "/login", path
            assert "not set up yet" in page.text.lower()
            assert 'type="password"' not in page.text
        assert (await client.get("/api/sessions")).status_code == 401
        assert (await client.post("/login", data={"password": ""})).status_code == 401


async def test_the_link_opens_a_form_and_the_form_the_server(fresh: RunningServer) -> None:
    link = await fresh.services.auth.new_set_up_link()
    async with fresh.client(headers=PAGE) as client:
        page = await client.get(f"/set-up?link={link}")
        assert page.status_code == 200
        assert f'value="{link}"' in page.text
        # Looking at the link does not use it up, as a preview of a chat would.
        assert (await client.get(f"/set-up?link={link}")).status_code == 200
        differ = await client.post(
            "/set-up", data={"link": link, "password": OWN, "again": "x" * 12}
        )
        assert differ.status_code == 400
        assert "differ" in differ.text
        form = {"link": link, "password": OWN, "again": OWN}
        assert (await client.post("/set-up", data=form)).headers["location"] == "/"
        assert (await client.get("/")).status_code == 200
    async with fresh.client(headers=PAGE) as other:
        assert (await other.post("/set-up", data=form)).status_code == 409
        assert (await other.get(f"/set-up?link={link}")).status_code == 409
        assert (await other.get("/api/sessions")).status_code == 401


async def test_a_wrong_link_shows_no_form(fresh: RunningServer) -> None:
    await fresh.services.auth.new_set_up_link()
    async with fresh.client(headers=PAGE) as client:
        page = await client.get("/set-up?link=guess")
        assert page.status_code == 401
        assert 'type="password"' not in page.text


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.AsyncClient,
) -> None:
    plain = await browser.post("/login", data={"password": OWN})
    behind_tls = await browser.post(
        "/login", data={"password": OWN}, headers={"x-forwarded-proto": "https"}
    )
    for answer in (plain, behind_tls):
        given = answer.headers["set-cookie"].lower()
        assert given.startswith(f"{COOKIE_NAME}=")
        assert "httponly" in given
        assert "samesite=lax" in given
    assert "secure" not in plain.headers["set-cookie"].lower()
    assert "secure" in behind_tls.headers["set-cookie"].lower()
    assert "max-age" in behind_tls.headers["strict-transport-security"]


async def test_signing_out_ends_the_cookie_not_only_the_browsers_copy(
    browser: httpx.AsyncClient, fresh: RunningServer
) -> None:
    stolen = {"cookie": f"{COOKIE_NAME}={browser.cookies[COOKIE_NAME]}"}
    async with fresh.client() as thief:
        assert (await thief.get("/api/sessions", headers=stolen)).status_code == 200
        answer = await browser.post("/logout")
        assert answer.headers["location"] == "/login"
        assert "cache" in answer.headers["clear-site-data"]
        assert (await thief.get("/api/sessions", headers=stolen)).status_code == 401


async def test_the_security_page_makes_and_revokes_tokens(
    browser: httpx.AsyncClient, fresh: RunningServer
) -> None:
    made = await browser.post("/security/tokens", data={"name": "a <job>", "scope": "read"})
    secret = re.search(r"lat_[\w-]+", made.text)
    assert secret
    page = (await browser.get("/security")).text
    assert secret[0] not in page
    assert "a &lt;job&gt;" in page
    async with fresh.client(headers={"x-api-key": secret[0]}) as program:
        assert (await program.get("/api/sessions")).status_code == 200
        refused = await program.post("/api/sessions", json={})
        assert refused.status_code == 403
        assert "'write'" in refused.json()["error"]["message"]
        assert (await program.get("/security")).status_code == 403
        revoke = re.search(r'action="(/security/tokens/\w+/revoke)"', page)
        assert revoke
        assert (await browser.post(revoke[1])).status_code == 303
        assert (await program.get("/api/sessions")).status_code == 401


async def test_the_security_page_says_what_is_wrong(browser: httpx.AsyncClient) -> None:
    unnamed = await browser.post("/security/tokens", data={"name": " "})
    assert unnamed.status_code == 400
    assert "Name the token" in unnamed.text
    form = {"old": "wrong", "password": "another long one", "again": "another long one"}
    wrong = await browser.post("/security/password", data=form)
    assert wrong.status_code == 401
    assert "present password is wrong" in wrong.text
    differ = await browser.post("/security/password", data={**form, "again": "x"})
    assert "differ" in differ.text


async def test_a_new_password_signs_out_everywhere(browser: httpx.AsyncClient) -> None:
    form = {"old": OWN, "password": "another long one", "again": "another long one"}
    answer = await browser.post("/security/password", data=form)
    assert answer.headers["location"] == "/login"
    assert (await browser.get("/")).status_code == 303
    assert (await browser.post("/login", data={"password": OWN})).status_code == 401
    assert (await browser.post("/login", data={"password": form["password"]})).status_code == 303


async def test_sign_ins_are_told_apart_and_ended(
    browser: httpx.AsyncClient, fresh: RunningServer
) -> None:
    async with fresh.client(headers={**PAGE, "x-forwarded-for": "1.1.1.1, 192.0.2.7"}) as phone:
        await phone.post("/login", data={"password": OWN})
        page = (await browser.get("/security")).text
        assert page.count("Firefox on Linux</b>") == 2
        assert page.count("this one") == 1
        # What a client says itself before the proxy's word counts for nothing.
        assert "From 192.0.2.7" in page
        assert "1.1.1.1" not in page
        first = re.findall(r'action="(/security/sign-ins/sgn_\w+/end)"', page)[0]
        assert (await browser.post(first)).headers["location"] == "/security"
        assert (await phone.get("/")).status_code == 303
        assert (await browser.get("/")).status_code == 200
        assert (await browser.post("/security/sign-ins/end")).headers["location"] == "/login"
        assert (await browser.get("/")).status_code == 303


async def test_an_open_stream_ends_when_its_sign_in_does(
    browser: httpx.AsyncClient, fresh: RunningServer
) -> None:
    session = (await browser.post("/api/sessions", json={})).json()["id"]
    assert is_session_id(session)
    path = f"/v1/sessions/{session}/events/stream"
    other = httpx.AsyncClient(base_url=fresh.url, timeout=20)
    async with other, other.stream("GET", path, headers={"x-api-key": "none"}) as refused:
        assert refused.status_code == 401
    async with browser.stream("GET", path) as stream:
        assert stream.status_code == 200
        await fresh.services.account.end_all_sign_ins(await owner(fresh, browser))
        with anyio.fail_after(5):
            async for _ in stream.aiter_lines():
                pass


async def owner(server: RunningServer, browser: httpx.AsyncClient) -> Principal:
    cookie = f"{COOKIE_NAME}={browser.cookies[COOKIE_NAME]}"
    return await server.services.auth.principal_of(cookie=cookie)


async def test_wrong_passwords_are_counted_by_the_address_that_the_proxy_saw(
    browser: httpx.AsyncClient, fresh: RunningServer
) -> None:
    async with fresh.client(headers=PAGE) as client:

        async def attempt(password: str, forwarded: str) -> int:
            headers = {"x-forwarded-for": forwarded}
            form = {"password": password}
            return (await client.post("/login", data=form, headers=headers)).status_code

        # Whatever it invents before the proxy's word, it is one client.
        tries = [await attempt("wrong", f"10.0.0.{number}, 192.0.2.8") for number in range(6)]
        assert tries == [401] * 5 + [429]
        assert await attempt(OWN, "192.0.2.8") == 429
        assert await attempt(OWN, "192.0.2.9") == 303

"""The owner's way in, clicked in a real browser: the link, the password, tokens, and out again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.support.process import ServerProcess, server_process

pytestmark = [pytest.mark.slow, pytest.mark.browser]

OWN = "four words of somebody"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path, LOOP_AGENT_TRUSTED_PROXIES="1") as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        opened = browser.new_context().new_page()
        opened.set_default_timeout(15_000)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on(
            "console",
            lambda said: problems.append(said.text) if "Content Security" in said.text else None,
        )
        yield opened
        browser.close()
        assert problems == []


def test_from_the_link_in_the_terminal_to_signed_out_everywhere(
    server: ServerProcess, page: Page
) -> None:
    page.goto(server.url)
    expect(page.get_by_role("heading", name="Not set up yet")).to_be_visible()
    link = re.search(r"http\S+/set-up\?link=\S+", server.output.read_text())
    assert link
    page.goto(link[0])
    page.get_by_label("Password", exact=True).fill(OWN)
    page.get_by_label("The same again").fill(OWN)
    page.get_by_role("button", name="Set it and sign in").click()
    expect(page.get_by_text("You are in demo mode")).to_be_visible()

    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="security page").click()
    page.get_by_label("What will use it").fill("nightly job")
    page.get_by_label("It may").select_option("read")
    page.get_by_role("button", name="Make a token").click()
    secret = page.get_by_role("status").locator("code").inner_text()
    headers = {"x-api-key": secret}
    assert httpx.get(f"{server.url}/api/sessions", headers=headers).status_code == 200
    assert httpx.post(f"{server.url}/api/sessions", headers=headers).status_code == 403
    page.get_by_role("button", name="Revoke nightly job").click()
    expect(page.get_by_text("nightly job")).to_have_count(0)
    assert httpx.get(f"{server.url}/api/sessions", headers=headers).status_code == 401

    elsewhere = page.context.new_page()
    elsewhere.set_default_timeout(15_000)
    elsewhere.goto(f"{server.url}/new")
    elsewhere.get_by_role("button", name="Start session").click()
    elsewhere.wait_for_url("**/sessions/sesn_*")
    expect(elsewhere.locator("#connection")).to_have_attribute("data-connection", "live")
    page.get_by_role("button", name="Sign out everywhere").click()
    page.wait_for_url("**/login")
    # The page that was open elsewhere shows nothing more, and leads to the door by itself.
    elsewhere.wait_for_url("**/login*")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("That password is wrong")
    page.get_by_label("Password").fill(OWN)
    page.get_by_role("button", name="Sign in").click()
    expect(
        page.get_by_role("heading", name="All sessions").or_(page.locator("#list"))
    ).to_be_visible()

"""The first journey of a person, clicked in a real browser against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import chromium, opened_page
from tests.support.process import ServerProcess, server_process, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path) as running:
        yield running


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser, opened_page(browser) as opened:
        yield opened


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def test_the_first_journey(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    expect(page.get_by_text("You are in demo mode")).to_be_visible()
    page.get_by_label("Your first message").fill("[[stream: 30 @ 60]]")
    page.get_by_role("button", name="Start the session").click()
    expect(page.get_by_text("w0 w1 w2")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Idle")
    address = page.url

    say(page, '[[tool: Bash {"command":"touch made"}]] [[text: all **done**]]')
    expect(page.get_by_text("Claude wants to run a command")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    expect(page.locator("strong", has_text="done")).to_be_visible()
    assert list(server.workspaces.glob("*/workspace/made"))

    page.reload()
    expect(page.get_by_text("w0 w1 w2")).to_be_visible()
    expect(page.locator("strong", has_text="done")).to_be_visible()

    assert server.stop() == 0
    server.settings["PORT"] = address.split(":")[2].split("/")[0]
    server.start()
    expect(page.locator("[data-connection=live]")).to_be_visible(timeout=30_000)
    say(page, "[[recall]]")
    expect(page.locator(".text").last).to_contain_text("touch made")

    say(page, "[[stream: 3000 @ 50]]")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped").first).to_be_visible()

    page.get_by_role("button", name="More about this session").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("You are in demo mode")).to_be_visible()
    page.goto(server.url + "/?state=trash")
    page.get_by_role("link", name="for good").click()
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("There is none.")).to_be_visible()
    until(lambda: not list(server.workspaces.glob("sesn_*")))


def test_a_streamed_page_equals_the_one_that_is_loaded_afresh(
    server: ServerProcess, page: Page
) -> None:
    page.goto(server.url + "/new")
    page.get_by_role("textbox", name="First message").fill("hello")
    page.get_by_role("button", name="Start session").click()
    expect(page.locator("#status")).to_have_text("Idle", timeout=20_000)
    say(page, '[[tool: Write {"file_path":"a.py","content":"x = 1"}]] [[text: a\n\n- b\n- zebra]]')
    expect(page.locator("li", has_text="zebra")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Idle")
    page.wait_for_timeout(300)
    read = "document.querySelector('#blocks').innerText.replace(/\\s+/g, ' ')"
    streamed = page.evaluate(read)
    page.reload()
    assert page.evaluate(read) == streamed

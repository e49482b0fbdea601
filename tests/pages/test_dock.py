"""What waits and what runs beside the conversation, clicked in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.pages.test_journey import page, say, server
from tests.support.process import ServerProcess
from tests.support.sessions import ALLOW_ALL, bash, create, post

pytestmark = [pytest.mark.slow, pytest.mark.browser]

__all__ = ["page", "server"]


def test_a_person_changes_what_waits(server: ServerProcess, page: Page) -> None:
    with server.client() as client:
        session = create(client, agent=ALLOW_ALL)
    page.goto(f"{server.url}/sessions/{session}")
    say(page, "[[stream: 3000 @ 50]]")
    expect(page.get_by_text("w0 w1 w2")).to_be_visible()
    for text in ("first", "second", "third"):
        say(page, f"[[text: {text}]]")
    waiting = page.get_by_label("A message that waits")
    expect(waiting).to_have_count(3)
    waiting.nth(0).fill("[[text: edited]]")
    waiting.nth(0).press("Enter")
    page.get_by_role("button", name="Remove").nth(1).click()
    expect(waiting).to_have_count(2)
    page.get_by_role("button", name="One place earlier").click()
    expect(waiting.nth(0)).to_have_value("[[text: third]]")
    page.get_by_role("button", name="Send now: stop the turn for it").nth(1).click()
    expect(page.locator(".text", has_text="edited")).to_be_visible()
    expect(page.locator(".text").last).to_have_text("third")
    expect(waiting).to_have_count(0)


def test_a_person_ends_what_runs_and_stops_everything(server: ServerProcess, page: Page) -> None:
    job = bash("echo one", 300, run_in_background=True, description="a long job")
    with server.client() as client:
        session = create(client, agent=ALLOW_ALL)
        post(client, session, f"{job} [[stream: 3000 @ 50]]")
    page.goto(f"{server.url}/sessions/{session}")
    expect(page.locator("#tasks")).to_contain_text("time.sleep(300)")
    page.get_by_role("button", name="End this task").click()
    expect(page.locator("#tasks li")).to_have_count(0)
    page.goto(server.url)
    page.get_by_role("button", name="Stop all").click()
    expect(page.get_by_role("button", name="Resume all")).to_be_visible()
    page.get_by_role("button", name="Resume all").click()
    expect(page.get_by_role("button", name="Resume all")).to_have_count(0)

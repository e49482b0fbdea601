"""A real Chromium, and pages that fail their test on anything that the console complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, ended with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a context of its own; no error of it may go unseen."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if _matters(said) else None)
    try:
        yield page
    finally:
        context.close()
    assert problems == []


def _matters(said: ConsoleMessage) -> bool:
    """That a server which the test has stopped can't be reached is no problem of the page."""
    unreachable = "ERR_" in said.text or "sse:error" in said.text
    return said.type == "error" and not unreachable

"""Every page for everybody: by axe, in light and dark, on a phone, without other hosts."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from loopagent.web.pages.assets import STATIC
from tests.pages.test_home import begin, rest
from tests.support.browser import chromium, opened_page
from tests.support.process import ServerProcess, server_process, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SCRIPTS = 60_000  # bytes, compressed
PATHS = [
    "/", "/?state=trash", "/?q=blue", "/new", "/settings", "/docs", "/nothing", "/?peek={rested}",
    "/sessions/{rested}", "/sessions/{asking}", "/sessions/{rested}/history",
    "/sessions/{trashed}/delete",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("access")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def made(server: ServerProcess) -> dict[str, str]:
    """Sessions of several states."""
    write = '[[tool: Write {"file_path":"a.py","content":"x = 1\\ny = 2\\n"}]]'
    text = "[[text: A **blue** word, `code`, and\n\n- [ ] a task\n\n```python\nx = 1\n```]]"
    with server.client() as api:
        found = {
            "rested": begin(api, "Rested", f"Do it. {write} {text}"),
            "asking": begin(api, "Asking", '[[tool: Bash {"command":"ls"}]] [[text: fine]]'),
            "question": begin(api, "Question", "[[ask: Which? | Red | Blue]] [[text: fine]]"),
            "trashed": begin(api, "Trashed"),
        }
        api.post(f"/sessions/{found['trashed']}/trash")
        rest(api, found["rested"])
        for name in ("asking", "question"):
            address = f"/v1/sessions/{found[name]}"
            until(lambda a=address: api.get(a).json()["loop"]["asks"], 30)
    return found


def opened(browser: Browser, server: ServerProcess, **options: Any) -> Any:
    return opened_page(browser, base_url=server.url, **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, server: ServerProcess, made: dict[str, str], scheme: str
) -> None:
    found = {}
    with opened(browser, server, color_scheme=scheme, reduced_motion="reduce") as page:
        page.on("console", lambda _: None)
        for path in PATHS:
            if path == "/nothing":
                continue
            page.goto(path.format(**made))
            page.wait_for_load_state("load")
            found[path] = serious(page)
        page.goto("/")
        page.locator("#main").focus()
        for key, box in (("a", "#tray"), ("?", "#keys"), ("Control+k", "#palette")):
            page.keyboard.press(key)
            expect(page.locator(box)).to_be_visible()
            found[box] = serious(page)
            page.keyboard.press("Escape")
    assert {path: problems for path, problems in found.items() if problems} == {}


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{problem['id']}: {node['target']} {node['html'][:160]}"
        for problem in result["violations"]
        if problem["impact"] in {"serious", "critical"}
        for node in problem["nodes"]
    ]


def test_on_a_phone_nothing_hangs_over_and_what_is_done_often_is_below(
    browser: Browser, server: ServerProcess, made: dict[str, str]
) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with opened(browser, server, **phone) as page:
        for path in PATHS:
            if path == "/nothing":
                continue
            page.goto(path.format(**made))
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= 360, path
        page.goto("/")
        page.locator(".tabs").get_by_role("button", name="Needs you").tap()
        page.locator("#tray").get_by_role("button", name="Deny").last.tap()
        expect(page.locator("#tray-list > li")).to_have_count(1)


def test_pages_ask_no_other_host(
    browser: Browser, server: ServerProcess, made: dict[str, str]
) -> None:
    asked: set[str] = set()
    with opened(browser, server) as page:
        page.on("request", lambda request: asked.add(request.url.split("/")[2]))
        for path in PATHS:
            if path != "/nothing":
                page.goto(path.format(**made))
    hosts = {host for host in asked if host and not host.startswith("data:")}
    assert hosts == {server.url.split("/")[2]}


def test_scripts_stay_small() -> None:
    scripts = [path.read_bytes() for path in STATIC.glob("*.js")]
    assert scripts
    assert sum(len(gzip.compress(script)) for script in scripts) < SCRIPTS


def test_the_dashboard_can_be_installed(browser: Browser, server: ServerProcess) -> None:
    with opened(browser, server) as page:
        page.goto("/")
        session = page.context.new_cdp_session(page)
        answer = session.send("Page.getAppManifest")
        assert answer["errors"] == []
        assert answer["url"].endswith("/manifest.webmanifest")
        errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {error["errorId"] for error in errors} <= {"in-incognito"}

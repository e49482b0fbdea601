"""The list of sessions in a real browser: live, searched, peeked into, answered in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import chromium, opened_page
from tests.support.process import ServerProcess, server_process, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with server_process(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    with opened_page(browser, base_url=server.url) as opened:
        yield opened


@pytest.fixture
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def begin(api: httpx.Client, title: str, prompt: str = "") -> str:
    """A session made by a program."""
    made = api.post("/api/sessions", json={"title": title})
    session_id = str(made.json()["id"])
    if prompt:
        send(api, session_id, prompt)
    return session_id


def send(api: httpx.Client, session_id: str, prompt: str) -> None:
    message = {"type": "user.message", "content": [{"type": "text", "text": prompt}]}
    api.post(f"/v1/sessions/{session_id}/events", json={"events": [message]}).raise_for_status()


def state_of(api: httpx.Client, session_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/sessions/{session_id}").json()
    return found


def rest(api: httpx.Client, session_id: str) -> None:
    until(lambda: state_of(api, session_id)["loop"]["turns"] > 0, 30)


def row(page: Page, session_id: str) -> Locator:
    return page.locator(f"#r-{session_id}")


def group(page: Page, name: str) -> Locator:
    return page.locator(f"#g-{name}")


def test_a_session_appears_moves_and_leaves_without_a_reload(page: Page, api: httpx.Client) -> None:
    page.goto("/")
    session_id = begin(api, "Count the stars")
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_contain_text("Not started yet")
    send(api, session_id, "[[stream: 40 @ 10]] and rest")
    expect(group(page, "working").locator(f"#r-{session_id}")).to_be_visible()
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_contain_text("w0 w1", timeout=30_000)
    api.delete(f"/v1/sessions/{session_id}").raise_for_status()
    expect(row(page, session_id)).to_have_count(0)


def test_an_ask_is_counted_everywhere_and_allowed_in_place(
    page: Page, api: httpx.Client, server: ServerProcess
) -> None:
    page.goto("/settings")
    prompt = '[[tool: Bash {"command":"touch star","description":"Make a star"}]] [[text: done]]'
    session_id = begin(api, "Make a star", prompt)
    expect(page).to_have_title(re.compile(r"^\(1\) "), timeout=30_000)
    page.get_by_role("button", name="Needs you").first.click()
    expect(page.locator("#tray")).to_contain_text("touch star")
    page.goto("/")
    asked = group(page, "needs").locator(f"#r-{session_id}")
    expect(asked).to_contain_text("touch star")
    asked.get_by_role("button", name="Allow").click()
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_be_visible(timeout=30_000)
    assert list(server.workspaces.glob(f"{session_id}/workspace/star"))
    expect(page).not_to_have_title(re.compile(r"^\(1\) "))
    expect(page.locator("#tray-list > li")).to_have_count(0)


def test_a_question_is_answered_by_one_click(page: Page, api: httpx.Client) -> None:
    session_id = begin(api, "Ask me", "[[ask: Which colour? | Red | Blue]] [[results]]")
    page.goto("/")
    asked = group(page, "needs").locator(f"#r-{session_id}")
    asked.get_by_role("button", name="Blue").click(timeout=30_000)
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_contain_text("Blue", timeout=30_000)


def test_an_ask_is_answered_in_the_tray_of_another_session(page: Page, api: httpx.Client) -> None:
    session_id = begin(api, "Elsewhere", '[[tool: Bash {"command":"echo no"}]] [[text: well]]')
    other = begin(api, "Here")
    page.goto(f"/sessions/{other}")
    plea = page.locator(f'#tray-list > li[data-session="{session_id}"]')
    expect(plea).to_have_count(1, timeout=30_000)
    page.locator("#main").focus()
    page.keyboard.press("a")
    plea.get_by_role("button", name="Deny").click()
    expect(plea).to_have_count(0)
    rest(api, session_id)


def test_a_peek_shows_the_newest_takes_a_reply_and_survives_a_reload(
    page: Page, api: httpx.Client
) -> None:
    session_id = begin(api, "Peek at me", "[[text: the **first** answer]]")
    rest(api, session_id)
    page.goto("/")
    row(page, session_id).locator("summary").click()
    expect(row(page, session_id).locator("strong", has_text="first")).to_be_visible()
    field = row(page, session_id).get_by_role("textbox")
    field.fill("[[text: the second answer]]")
    page.reload()
    expect(row(page, session_id).locator("strong", has_text="first")).to_be_visible()
    expect(field).to_have_value("[[text: the second answer]]")
    field.press("Enter")
    expect(row(page, session_id).locator(".text", has_text="second answer")).to_be_visible(
        timeout=30_000
    )
    expect(field).to_have_value("")


def test_a_reply_that_is_being_written_survives_the_move_of_its_row(
    page: Page, api: httpx.Client
) -> None:
    session_id = begin(api, "Moving", "[[text: rest]]")
    rest(api, session_id)
    page.goto("/")
    row(page, session_id).locator("summary").click()
    field = row(page, session_id).get_by_role("textbox")
    field.fill("half a thought")
    send(api, session_id, "[[stream: 20 @ 20]]")
    expect(group(page, "working").locator(f"#r-{session_id}")).to_be_visible()
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_be_visible(timeout=30_000)
    expect(field).to_have_value("half a thought")
    expect(field).to_be_focused()


def test_a_row_is_renamed_pinned_archived_and_deleted_with_a_way_back(
    page: Page, api: httpx.Client
) -> None:
    session_id = begin(api, "First name")
    begin(api, "A younger one")
    page.goto("/")
    row(page, session_id).locator("[data-row]").focus()
    page.keyboard.press("r")
    page.get_by_role("textbox", name="Title").fill("Second name")
    page.keyboard.press("Enter")
    until(lambda: state_of(api, session_id)["title"] == "Second name")
    page.keyboard.press("p")
    expect(group(page, "idle").locator("li").first).to_have_attribute("id", f"r-{session_id}")
    page.keyboard.press("e")
    expect(group(page, "archived").locator(f"#r-{session_id}")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(group(page, "idle").locator(f"#r-{session_id}")).to_be_visible()
    row(page, session_id).locator("[data-row]").focus()
    page.keyboard.press("d")
    expect(row(page, session_id)).to_have_count(0)
    assert api.get(f"/v1/sessions/{session_id}").status_code == 404
    page.get_by_role("button", name="Undo").click()
    expect(row(page, session_id)).to_contain_text("Second name")
    api.delete(f"/v1/sessions/{session_id}")  # pinned, it would stay before those of other tests


def test_what_was_said_is_found_and_jumped_to(page: Page, api: httpx.Client) -> None:
    session_id = begin(api, "A long one", "[[text: the zebrafish swims]]")
    rest(api, session_id)
    page.goto("/")
    page.locator("#main").focus()
    page.keyboard.press("/")
    page.keyboard.type("zebraf")
    page.locator(".hit", has_text="zebrafish").last.click()
    expect(page).to_have_url(re.compile(rf"/sessions/{session_id}#b-sevt_"))
    expect(page.locator(".blocks :target")).to_contain_text("zebrafish")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("zebraf")
    expect(page.locator(".hit", has_text="zebrafish").first).to_be_visible()


def test_the_palette_finds_acts_and_is_used_by_keys_alone(page: Page, api: httpx.Client) -> None:
    session_id = begin(api, "Palette of colours")
    page.goto("/settings")
    page.keyboard.press("Control+k")
    page.keyboard.type("theme dark")
    expect(page.get_by_role("option", name="Theme: dark")).to_have_attribute(
        "aria-selected", "true"
    )
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Control+k")
    page.keyboard.type("palette of")
    expect(page.get_by_role("option", name="Palette of colours")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(session_id))
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Export as Markdown")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).not_to_be_visible()


def test_a_lost_connection_and_an_upgrade_are_told(
    page: Page, api: httpx.Client, server: ServerProcess
) -> None:
    page.goto("/")
    page.evaluate("document.documentElement.dataset.build = 'older'")
    server.settings["PORT"] = server.url.rsplit(":", 1)[1]
    server.stop()
    expect(page.locator("#line")).to_contain_text(re.compile("Reconnecting|Offline since"))
    server.start()
    expect(page.locator("#line")).to_be_hidden(timeout=30_000)
    expect(page.get_by_text("Loop Agent was upgraded.")).to_be_visible()
    page.get_by_role("button", name="Reload").click()
    expect(page.get_by_text("Loop Agent was upgraded.")).to_be_hidden()
    session_id = begin(api, "After the break")
    expect(row(page, session_id)).to_be_visible()


def test_a_page_that_has_missed_too_much_takes_the_list_anew(page: Page, api: httpx.Client) -> None:
    session_id = begin(api, "Missed")
    page.route(re.compile("/live\\?"), lambda route: route.continue_(url=stale(route.request.url)))
    page.goto("/")
    page.evaluate("document.querySelectorAll('.item').forEach((item) => item.remove())")
    expect(row(page, session_id)).to_be_visible()


def stale(address: str) -> str:
    return re.sub(r"after=[^&]*", "after=gone.1", address)


def test_notes_of_the_system_come_only_if_they_are_wanted(page: Page, api: httpx.Client) -> None:
    page.add_init_script(
        "window.notes = [];"
        "class Note { constructor(title, more) { notes.push(more.body); } close() {} }"
        "Note.permission = 'granted'; Note.requestPermission = async () => 'granted';"
        "window.Notification = Note;"
    )
    page.goto("/settings")
    first = begin(api, "Silent", '[[tool: Bash {"command":"echo 1"}]]')
    expect(page.locator("#tray-list > li")).to_have_count(1, timeout=30_000)
    assert page.evaluate("notes") == []
    page.get_by_role("switch", name="Notify me").check()
    page.reload()
    expect(page.get_by_role("switch", name="Notify me")).to_be_checked()
    second = begin(api, "Loud", '[[tool: Bash {"command":"echo 2"}]]')
    expect(page.locator("#tray-list > li")).to_have_count(2, timeout=30_000)
    assert page.evaluate("notes") == ["Loud: Claude wants to run a command"]
    for session_id in (first, second):
        api.delete(f"/v1/sessions/{session_id}")
    expect(page.locator("#tray-list > li")).to_have_count(0)


def test_the_first_journey_by_keys_alone(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("n")
    expect(page.get_by_role("textbox", name="First message")).to_be_focused()
    page.keyboard.type('[[tool: Bash {"command":"echo key"}]] [[text: all by keys]]')
    page.keyboard.press("Enter")
    expect(page.get_by_text("Claude wants to run a command").first).to_be_visible(timeout=30_000)
    page.keyboard.press("y")
    expect(page.locator(".text", has_text="all by keys")).to_be_visible(timeout=30_000)
    page.keyboard.press("/")
    page.keyboard.type("[[text: and again]]")
    page.keyboard.press("Enter")
    expect(page.locator(".text", has_text="and again")).to_be_visible(timeout=30_000)
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="What should Claude work on?")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator(".peek[open] .text", has_text="and again")).to_be_visible()

"""A session's page under strain, in a real browser: cut lines, hostile words, 5,000 events."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Browser, Page, expect

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id
from tests.pages.conftest import add
from tests.pages.test_stream import ANSWER, Story
from tests.pages.test_stream import _call as call
from tests.pages.test_stream import _result as result
from tests.support.cutting import line_to
from tests.support.server import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.browser]

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
OPENING = 250_000  # bytes that opening a long session may transfer
# The transcript as text: without what scripts and readers add, and without times.
SHOWN = """() => {
    const words = node => {
        if (node.nodeType === 3) return node.data.replace(/\\s+/g, " ");
        if (node.nodeType !== 1 || node.tagName === "TIME") return "";
        const skipped = ["open", "style", "data-htmx-powered"];
        const attributes = [...node.attributes]
            .filter(({name, value}) => !skipped.includes(name) && !(name === "class" && !value))
            .map(({name, value}) => ` ${name}="${value}"`).sort().join("");
        return `<${node.tagName}${attributes}>${[...node.childNodes].map(words).join("")}`;
    };
    return words(document.getElementById("blocks")).replace(/ +/g, " ").replace(/> </g, "><");
}"""
HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    '"><svg onload="window.hit = 1">',
    "[a](javascript:window.hit=1) [b](data:text/html,<script>1</script>)",
    "![x](https://elsewhere.example/x.png)",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "`<b>` ```\n<style>body{display:none}</style>\n```",
    "\x1b]8;;javascript:window.hit=1\x07click\x1b]8;;\x07 \x1b[31m<u>red</u>\x1b[0m",
    "<a href=x hx-get=/new hx-trigger=load>htmx</a>",
    "<hx-partial hx-target='#head' hx-swap=innerHTML>gone</hx-partial>",
    "<form action=/sessions method=post><button id=event-id>x</button></form>",
]
SAFE = """() => ({
    hit: "hit" in window,
    bad: [...document.querySelectorAll(
        "#blocks script, #blocks iframe, #blocks style, #blocks object, #blocks [onerror],"
        + " #blocks [onload], #blocks a[href^='javascript:'], #blocks a[href^='data:'],"
        + " #blocks .md img, #blocks .md [hx-get], #blocks hx-partial"
    )].map(node => node.outerHTML),
})"""


def user(text: str) -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(text)])


async def settled(tab: Page, text: str) -> None:
    await expect(tab.locator("#blocks")).to_contain_text(text, timeout=30_000)
    await expect(tab.locator("#connection")).to_have_attribute("data-connection", "live")


@pytest.mark.parametrize("seed", range(2))
async def test_a_page_whose_line_is_cut_at_random_equals_a_fresh_one(
    server: RunningServer, session_id: SessionId, tab: Page, seed: int
) -> None:
    chance = random.Random(seed)
    story = Story(server.services.log, session_id, chance)
    async with line_to(server.url) as line:
        await tab.goto(f"{line.url}/sessions/{session_id}")
        cuts = 0

        async def cut_now_and_then() -> None:
            nonlocal cuts
            while True:
                await anyio.sleep(chance.uniform(0.02, 0.25))
                cuts += line.cut() > 0

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cut_now_and_then)
            for number in range(8):
                await story.turn(number)
            tasks.cancel_scope.cancel()
        assert cuts > 1
        await add(server, session_id, user("the very end"))
        await settled(tab, "the very end")
        streamed = await tab.evaluate(SHOWN)
        await tab.reload()
        await settled(tab, "the very end")
        assert streamed == await tab.evaluate(SHOWN)


async def test_hostile_words_stay_words(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    events: list[e.Event] = [e.SessionStatusRunning()]
    for text in HOSTILE:
        bash = call("Bash", {"command": text, "description": text})
        read = call("Read", {"file_path": f"/w/{text}.svg"})
        mcp = e.AgentMcpToolUse(mcp_server_name=text, name=text, input={text: text})
        found = call("Grep", {"pattern": text, "output_mode": "content"})
        web = call("WebSearch", {"query": text})
        links = f'Links: [{{"title": {text!r}, "url": "javascript:window.hit=1"}}]'
        fetch = call("WebFetch", {"url": "javascript:window.hit=1"})
        todo = call("TaskCreate", {"subject": text})
        edit = call("Edit", {"file_path": text, "old_string": "a", "new_string": text})
        question = {"question": text, "header": text, "options": [{"label": text}]}
        events += [
            user(text), e.AgentMessage(content=[e.text_block(text)]),
            e.AgentThinking(loop={"text": text}),
            bash, result(bash, text), read, result(read, f"1\t{text}"), mcp,
            found, result(found, f"a:1:{text}"), web, result(web, links),
            fetch, result(fetch, text), todo, result(todo, f"Task #{text} created"),
            edit, result(edit, "ok"), call("AskUserQuestion", {"questions": [question]}, "ask"),
            call("mcp__x__y", {text: text}, "ask"), call("ExitPlanMode", {"plan": text}, "ask"),
            e.SessionUpdated.model_validate({"title": text}),
        ]  # fmt: skip
    await add(server, session_id, *events)
    await tab.goto(f"{server.url}/sessions/{session_id}")
    # What is streamed goes another way than what the page comes with.
    live = server.services.log.live(session_id)
    for text in HOSTILE:
        live.open_draft(new_event_id(), "agent.message")
        live.extend_draft(text)
        live.close_draft()
    await add(server, session_id, *[e.AgentMessage(content=[e.text_block(t)]) for t in HOSTILE])
    await add(server, session_id, user("the very end"))
    await settled(tab, "the very end")
    for fold in await tab.locator("#blocks details.lazy > summary").all():
        await fold.click()
    await expect(tab.locator("#blocks .lazy[open] .more", has_text="Show")).to_have_count(0)
    assert await tab.evaluate(SAFE) == {"hit": False, "bad": []}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_any_kind_of_content(
    server: RunningServer, session_id: SessionId, browser: Browser, scheme: str
) -> None:
    story = Story(server.services.log, session_id, random.Random(3))
    for number in range(3):
        await story.turn(number)
    question = {"question": "Which?", "header": "Choice", "options": [{"label": "a"}]}
    await add(
        server, session_id, e.SessionStatusRunning(),
        call("AskUserQuestion", {"questions": [question]}, "ask"),
        call("Bash", {"command": "git status"}, "ask"),
        call("ExitPlanMode", {"plan": ANSWER}, "ask"),
    )  # fmt: skip
    context = await browser.new_context(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{server.url}/sessions/{session_id}")
    for fold in await page.locator(".more-ways summary").all():
        await fold.click()
    await page.evaluate(AXE.read_text())
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    await context.close()
    serious = [
        f"{problem['id']}: {node['html'][:200]}"
        for problem in found["violations"]
        if problem["impact"] in {"serious", "critical"}
        for node in problem["nodes"]
    ]
    assert serious == []


async def test_a_session_of_five_thousand_events_opens_with_little(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    events: list[e.Event] = []
    for number in range(1_000):
        run = call("Bash", {"command": f"make part-{number}"})
        events += [
            user(f"Part {number}"), e.SessionStatusRunning(), run, result(run, "ok\n" * 20),
            e.AgentMessage(content=[e.text_block(f"{ANSWER}\n\nPart {number} is done.")]),
        ]  # fmt: skip
    for start in range(0, len(events), 500):
        await add(server, session_id, *events[start : start + 500])
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await expect(tab.get_by_text("Part 999 is done.")).to_be_in_viewport()
    size = await tab.evaluate(
        "performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize || 0), 0)"
    )
    assert size < OPENING
    first = tab.get_by_text("Part 900 is done.")
    with anyio.fail_after(60):
        while await first.count() == 0:
            await tab.locator("#scroll").evaluate("box => box.scrollTo(0, 0)")
            await tab.mouse.wheel(0, -200)
            await anyio.sleep(0.05)

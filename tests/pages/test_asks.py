"""The cards that want an answer, answered in a real browser; the agent is real where it runs."""

from __future__ import annotations

import anyio
import httpx
import pytest
from playwright.async_api import Page, expect

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import InvalidRequestError
from loopagent.web.pages.wishes import edited_input
from tests.pages.conftest import add
from tests.support.server import RunningServer
from tests.support.sessions import ALLOW_ALL

ASK = {
    **ALLOW_ALL,
    "tools": [
        {
            "type": "agent_toolset_20260401",
            "default_config": {"permission_policy": {"type": "always_ask"}},
        }
    ],
}


def call(tool: str, given: e.Json) -> e.AgentToolUse:
    return e.AgentToolUse.model_validate(
        {"name": tool, "input": given, "evaluated_permission": "ask", "loop": {"tool": tool}}
    )


async def asking(server: RunningServer, session_id: SessionId, call: e.AgentToolUse) -> None:
    waiting = e.StopReason(type="requires_action", event_ids=[call.id])
    message = e.UserMessage(content=[e.text_block("go")])
    await add(server, session_id, message, e.SessionStatusRunning(), call)
    await add(server, session_id, e.SessionStatusIdle(stop_reason=waiting))


async def answer_of(server: RunningServer, session_id: SessionId) -> e.UserToolConfirmation:
    rows = await server.services.log.page(session_id, types=("user.tool_confirmation",))
    found = e.parse_event(rows[-1].body)
    assert isinstance(found, e.UserToolConfirmation)
    return found


async def open_session(
    server: RunningServer, http: httpx.AsyncClient, tab: Page, text: str
) -> SessionId:
    headers = {"accept": "application/json"}
    answer = await http.post("/v1/sessions", json={"agent": ASK}, headers=headers)
    session_id = SessionId(answer.json()["id"])
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await say(tab, text)
    return session_id


async def say(tab: Page, text: str) -> None:
    await tab.get_by_role("textbox", name="Message").fill(text)
    await tab.keyboard.press("Enter")


@pytest.mark.slow
@pytest.mark.browser
async def test_what_is_allowed_always_is_asked_no_more(
    server: RunningServer, http: httpx.AsyncClient, tab: Page
) -> None:
    session_id = await open_session(
        server, http, tab, '[[tool: Bash {"command":"echo one"}]] [[text: first]]'
    )
    card = tab.get_by_label("Claude needs your answer")
    await card.get_by_text("Always allow…").click()
    await card.get_by_label("Every command that begins with echo").check()
    await card.get_by_role("button", name="Always allow").click()
    await expect(tab.get_by_text("Always from now on: every command")).to_be_visible()
    await expect(tab.locator(".text", has_text="first")).to_be_visible()
    await say(tab, '[[tool: Bash {"command":"echo two"}]] [[text: second]]')
    await expect(tab.locator(".text", has_text="second")).to_be_visible()

    await tab.goto(f"{server.url}/sessions/{session_id}/rules")
    await expect(tab.get_by_text("every command that begins with echo")).to_be_visible()
    await tab.get_by_role("button", name="Remove").click()
    await expect(tab.get_by_text("Nothing yet.")).to_be_visible()


@pytest.mark.slow
@pytest.mark.browser
async def test_a_command_is_changed_before_it_is_allowed(
    server: RunningServer, http: httpx.AsyncClient, tab: Page
) -> None:
    await open_session(server, http, tab, '[[tool: Bash {"command":"echo plain"}]] [[text: end]]')
    card = tab.get_by_label("Claude needs your answer")
    await card.get_by_text("Change it first…").click()
    await card.get_by_label("The command").fill("echo changed | tr a-z A-Z")
    await card.get_by_role("button", name="Allow it like this").click()
    await expect(tab.locator(".out", has_text="CHANGED")).to_be_visible()
    await expect(tab.get_by_text("with changes")).to_be_visible()


@pytest.mark.slow
@pytest.mark.browser
async def test_an_answer_by_somebody_else_shows_at_once_who_gave_it(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    wish = call("Bash", {"command": "rm -rf build"})
    await asking(server, session_id, wish)
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await tab.get_by_label("What should Claude do instead?").fill("half a thought")
    refusal: e.Json = {"tool_use_id": wish.id, "result": "deny", "deny_message": "not the cache"}
    refusal["loop"] = {"answered_by": "Bert"}
    await add(server, session_id, e.UserToolConfirmation.model_validate(refusal))
    await expect(tab.get_by_text("Denied by Bert: “not the cache”")).to_be_visible()
    await expect(tab.get_by_role("button", name="Allow once")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.browser
async def test_questions_take_one_several_or_ones_own_words(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    options = [{"label": "A"}, {"label": "B"}]
    several = {"question": "Which?", "multiSelect": True, "options": options}
    one = {"question": "Where?", "options": options}
    await asking(server, session_id, call("AskUserQuestion", {"questions": [several, one]}))
    await tab.goto(f"{server.url}/sessions/{session_id}")
    which = tab.locator("#blocks").get_by_role("group", name="Which?")
    await which.get_by_role("checkbox", name="A").check()
    await which.get_by_role("checkbox", name="B").check()
    await tab.locator("#blocks").get_by_label("Your own answer to: Where?").fill("at home")
    await tab.locator("#blocks").get_by_role("button", name="Send answer").click()
    await expect(tab.get_by_text("Answered by")).to_be_visible()
    answer = await answer_of(server, session_id)
    given = (answer.loop or {})["updated_input"]["answers"]
    assert given == {"Which?": "A, B", "Where?": "at home"}


@pytest.mark.slow
@pytest.mark.browser
async def test_a_plan_is_approved_with_its_edits(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    await asking(server, session_id, call("ExitPlanMode", {"plan": "# Do it\n\n- [ ] now"}))
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await expect(tab.get_by_role("heading", name="Do it")).to_be_visible()
    await tab.get_by_role("button", name="Approve and accept edits").click()
    await expect(tab.get_by_text("Allowed by")).to_be_visible()
    rules = (await answer_of(server, session_id)).loop or {}
    assert [rule["tool"] for rule in rules["always"]] == ["Edit", "Write"]


@pytest.mark.slow
async def test_how_full_the_context_is_comes_from_the_agent(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    headers = {"accept": "application/json"}
    made = (await http.post("/v1/sessions", json={}, headers=headers)).json()
    assert (await http.get(f"/sessions/{made['id']}/context")).status_code == 409
    await http.get(f"/sessions/{made['id']}")
    with anyio.fail_after(30):
        while (page := await http.get(f"/sessions/{made['id']}/context")).status_code == 409:
            await anyio.sleep(0.1)
    assert "tokens, " in page.text
    assert "System prompt" in page.text


@pytest.mark.parametrize(
    ("tool", "given", "text", "expected"),
    [
        ("Edit", {"file_path": "a", "new_string": "b"}, "c", {"file_path": "a", "new_string": "c"}),
        ("mcp__x__y", {"n": 1}, '{"n": 2}', {"n": 2}),
    ],
)
def test_only_what_may_be_changed_is_changed(
    tool: str, given: e.Json, text: str, expected: e.Json
) -> None:
    assert edited_input(tool, given, text) == expected


@pytest.mark.parametrize(
    ("tool", "text"), [("Read", "{}"), ("mcp__x__y", "no json"), ("mcp__x__y", "[1]")]
)
def test_an_input_that_cannot_be_used_is_refused_with_a_word(tool: str, text: str) -> None:
    with pytest.raises(InvalidRequestError):
        edited_input(tool, {"file_path": "a"}, text)


@pytest.mark.parametrize("form", [{"result": "maybe"}, {"result": "always", "rule": "7"}])
async def test_an_answer_that_is_none_changes_nothing(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId, form: dict[str, str]
) -> None:
    wish = call("Bash", {"command": "ls"})
    await asking(server, session_id, wish)
    answer = await http.post(f"/sessions/{session_id}/asks/{wish.id}", data=form)
    assert answer.status_code == 400
    unknown = EventId("sevt_00000000000000000000000000")
    answer = await http.post(f"/sessions/{session_id}/asks/{unknown}", data={"result": "allow"})
    assert answer.status_code == 404

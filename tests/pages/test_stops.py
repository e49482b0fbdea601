"""What people see of turns that fail, pause or are cut, and how they let them go on."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from playwright.async_api import Page, expect

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.storage import sessions
from loopagent.web.pages.blocks import Block, ErrorBlock, NoteBlock, PauseBlock, TurnBlock
from loopagent.web.pages.stops import pause_words
from loopagent.web.pages.transcript import Transcript
from tests.pages.conftest import add
from tests.support.server import RunningServer

LIMIT = {"reason": "model_rate_limited_error", "message": "Too many requests."}
CUT = {"cut": {"reason": "server_stopped", "message": "The server was stopped in this turn."}}


def user(text: str = "go") -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(text)])


def idle(reason: str, loop: e.Json | None = None, **more: object) -> e.SessionStatusIdle:
    stopped = e.StopReason.model_validate({"type": reason, **more})
    return e.SessionStatusIdle(stop_reason=stopped, loop=loop)


def error(kind: str, retry: str = "exhausted") -> e.SessionError:
    body = {"type": kind, "message": "It is so.", "retry_status": {"type": retry}}
    return e.SessionError.model_validate({"error": body})


def folded(*events: e.Event) -> list[Block]:
    transcript = Transcript()
    for seq, event in enumerate(events, 1):
        transcript.apply(e.processed(event, seq, e.now()))
    return transcript.top()


def only(blocks: list[Block], kind: type[Block]) -> Block:
    found = [block for block in blocks if isinstance(block, kind)]
    assert len(found) == 1
    return found[0]


def test_a_limit_counts_down_until_the_turn_goes_on() -> None:
    at = e.now() + timedelta(minutes=3)
    paused = e.SessionStatusRescheduled(loop={**LIMIT, "resumes_at": at.isoformat()})
    block = only(folded(user(), paused), PauseBlock)
    assert isinstance(block, PauseBlock)
    assert (block.until, block.over) == (at, False)
    block = only(folded(user(), paused, e.SessionStatusRunning()), PauseBlock)
    assert isinstance(block, PauseBlock)
    assert block.over
    assert "went on by itself" in pause_words(block)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ({"reason": "server_stopped"}, "The server was stopped in this turn. It goes on now"),
        (
            {"reason": "process_crashed_error", "attempt": 2, "max_attempts": 3},
            "The agent's process ended unexpectedly. Starting it again (2 of 3)",
        ),
        ({"reason": "resumed", "by": "Ann"}, "Ann let the turn go on"),
    ],
)
def test_a_turn_that_comes_back_says_why_in_plain_words(cause: e.Json, words: str) -> None:
    block = only(folded(user(), e.SessionStatusRescheduled(loop=cause)), PauseBlock)
    assert isinstance(block, PauseBlock)
    assert pause_words(block) == words


def test_only_the_newest_stopped_turn_may_go_on() -> None:
    first, second = idle("interrupted", CUT), idle("interrupted")
    blocks = folded(user(), first, user(), second)
    ends = [block.is_open for block in blocks if isinstance(block, TurnBlock)]
    assert ends == [False, True]
    archived = e.SessionUpdated.model_validate({"archived_at": e.now().isoformat()})
    end = only(folded(user(), second, archived), TurnBlock)
    assert isinstance(end, TurnBlock)
    assert not end.is_open


def test_a_turn_that_ended_well_offers_nothing() -> None:
    end = only(folded(user(), idle("end_turn")), TurnBlock)
    assert isinstance(end, TurnBlock)
    assert not end.is_open


def test_a_failed_turn_goes_on_from_its_error() -> None:
    blocks = folded(user(), error("process_crashed_error"), idle("retries_exhausted"))
    failed, end = only(blocks, ErrorBlock), only(blocks, TurnBlock)
    assert isinstance(failed, ErrorBlock)
    assert isinstance(end, TurnBlock)
    assert (failed.is_open, end.is_open) == (True, False)


def test_a_lost_record_is_told_but_is_no_failure() -> None:
    note = only(folded(user(), error("record_lost_error", "retrying")), NoteBlock)
    assert isinstance(note, NoteBlock)
    assert note.text == "It is so."


async def begun(http: httpx.AsyncClient, **body: object) -> SessionId:
    """A session with an agent that can run."""
    answer = await http.post("/v1/sessions", json=body, headers={"accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return SessionId(answer.json()["id"])


@pytest.mark.slow
@pytest.mark.browser
async def test_a_lost_turn_goes_on_by_a_click(
    server: RunningServer, http: httpx.AsyncClient, tab: Page
) -> None:
    session_id = await begun(http, recovery="ask")
    await add(server, session_id, user("[[text: it went on]]"), e.SessionStatusRunning())
    await add(server, session_id, idle("interrupted", CUT))
    await tab.goto(f"{server.url}/sessions/{session_id}")
    card = tab.get_by_label("The turn was cut")
    await expect(card).to_contain_text("The server was stopped in this turn.")
    await card.get_by_role("button", name="Continue").click()
    await expect(tab.locator(".text")).to_contain_text("it went on", timeout=30_000)
    await expect(tab.get_by_role("button", name="Continue")).to_have_count(0)
    await expect(tab.get_by_text("let the turn go on")).to_be_visible()


@pytest.mark.slow
@pytest.mark.browser
async def test_a_budget_is_raised_where_it_stopped_the_turn(
    server: RunningServer, http: httpx.AsyncClient, tab: Page
) -> None:
    limit = {"type": "limit", "max_list_cost": {"amount": "0.50", "currency": "USD"}}
    session_id = await begun(http, budget=limit)
    await tab.goto(f"{server.url}/sessions/{session_id}")
    for text in ("[[text: dear]] [[usage: in=400000 out=0]]", "[[text: once more]]"):
        await tab.get_by_role("textbox", name="Message").fill(text)
        await tab.keyboard.press("Enter")
        await expect(tab.locator(".ending")).to_have_count(1 if "dear" in text else 2)
    card = tab.get_by_label("Budget reached")
    await expect(card).to_contain_text("of $0.50 spent")
    await expect(tab.get_by_label("Budget of this session")).to_contain_text("of $0.50")
    await card.get_by_label("New limit in dollars").fill("0.10")
    await card.get_by_role("button", name="Raise and go on").click()
    await expect(tab.locator(".toast")).to_contain_text("is spent already")
    await card.get_by_label("New limit in dollars").fill("20")
    await card.get_by_role("button", name="Raise and go on").click()
    await expect(tab.locator(".ending")).to_have_count(3, timeout=30_000)
    await expect(tab.get_by_label("Budget of this session")).to_contain_text("of $20.00")
    await expect(tab.get_by_role("button", name="Raise and go on")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.browser
async def test_what_becomes_of_a_lost_turn_is_chosen_in_the_menu(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await tab.get_by_role("button", name="More about this session").click()
    ask = tab.get_by_role("button", name="Goes on when I say so")
    await expect(ask).to_have_attribute("aria-pressed", "false")
    await ask.click()
    await expect(ask).to_have_attribute("aria-pressed", "true")
    session = await server.services.database.read(lambda conn: sessions.get(conn, session_id))
    assert session.recovery == "ask"


async def test_the_policy_is_chosen_with_a_new_session(
    server: RunningServer, http: httpx.AsyncClient
) -> None:
    assert "Ends there" in (await http.get("/new")).text
    answer = await http.post("/sessions", data={"recovery": "never"})
    session_id = SessionId(answer.headers["location"].rsplit("/", 1)[-1])
    session = await server.services.database.read(lambda conn: sessions.get(conn, session_id))
    assert session.recovery == "never"
    assert (await http.post("/sessions", data={"recovery": "maybe"})).status_code == 400

"""What tools have found, each in its own form; the task list as it stands."""

from __future__ import annotations

import pytest

from loopagent.domain import events as e
from loopagent.web.pages.blocks import Block, ToolBlock
from loopagent.web.pages.cards import card, output
from loopagent.web.pages.found import found_by
from loopagent.web.pages.todo import Item
from loopagent.web.pages.transcript import Transcript
from tests.pages.test_stream import _call as call
from tests.pages.test_stream import _result as result

FOLDER = "/data/sesn_01m8948hbhnfs7avtkt31r3ja1/workspace/"


def folded(*events: e.Event) -> list[Block]:
    transcript = Transcript()
    for seq, event in enumerate(events, 1):
        transcript.apply(e.processed(event, seq, e.now()))
    return transcript.top()


def tool(name: str, given: e.Json, text: str) -> ToolBlock:
    made = call(name, given)
    (block,) = folded(made, result(made, text))
    assert isinstance(block, ToolBlock)
    return block


def test_found_files_are_named_from_the_workspace_and_counted() -> None:
    block = tool("Grep", {"pattern": "x"}, f"Found 2 files\n{FOLDER}a.py\n{FOLDER}b<.py")
    assert card(block).note == "2 files"
    whole = output(block, block.result.text if block.result else "")
    assert whole is not None
    assert (whole.form, list(whole.lines)) == ("files", ["a.py", "b&lt;.py"])


def test_found_lines_have_their_place_set_apart() -> None:
    given = {"pattern": "x", "output_mode": "content"}
    found = found_by("Grep", given, f"{FOLDER}a.py:3:x = '<b>'\n--")
    assert found is not None
    assert found.lines[0] == '<span class="where">a.py:3</span> x = &#x27;&lt;b&gt;&#x27;'
    assert found.note == "2 lines"


def test_nothing_found_is_told_in_the_line() -> None:
    block = tool("Glob", {"pattern": "*.zz"}, "No files found")
    assert (card(block).note, card(block).body) == ("nothing found", None)


def test_pages_found_on_the_web_are_links_that_are_safe() -> None:
    links = '[{"title":"A [b](javascript:x) <i>","url":"https://a.org/x y"},'
    links += '{"title":"evil","url":"javascript:alert(1)"},{"title":"none"},7]'
    found = found_by("WebSearch", {}, f"Web search results\n\nLinks: {links}\n\nText")
    assert found is not None
    assert found.note == "2 pages"
    html = "".join(found.lines)
    assert 'href="https://a.org/x' in html
    assert 'href="javascript' not in html
    assert "<i>" not in html


@pytest.mark.parametrize("text", ["no links", "Links: [nonsense]", 'Links: {"a": 1}'])
def test_a_search_without_links_is_plain_text(text: str) -> None:
    assert found_by("WebSearch", {}, text) is None


def test_what_a_page_says_is_markdown() -> None:
    found = found_by("WebFetch", {}, "It is **50**.<script>")
    assert found is not None
    assert "<strong>50</strong>" in found.lines[0]
    assert "<script>" not in found.lines[0]


def test_the_newest_call_shows_the_whole_task_list() -> None:
    one, two = call("TaskCreate", {"subject": "one"}), call("TaskCreate", {"subject": "two"})
    done = call("TaskUpdate", {"taskId": "1", "status": "completed"})
    odd = call("TaskUpdate", {"taskId": "9", "status": "in_progress"})
    gone = call("TaskUpdate", {"taskId": "2", "status": "deleted"})
    events: list[e.Event] = [
        one, result(one, "Task #1 created"), two, result(two, "Task #2 created"),
        done, result(done, "ok"), odd, result(odd, "ok"), gone, result(gone, "ok"),
    ]  # fmt: skip
    blocks = [block for block in folded(*events) if isinstance(block, ToolBlock)]
    assert [len(block.todo) for block in blocks] == [0, 0, 0, 0, 2]
    assert blocks[-1].todo == (Item("one", "done"), Item("Task 9", "doing"))


def test_a_list_that_comes_whole_takes_the_place_of_the_one_before() -> None:
    todos = [{"content": "a", "status": "pending"}, {"content": "b", "status": "completed"}, 3]
    block = tool("TodoWrite", {"todos": todos}, "ok")
    assert block.todo == (Item("a", "open"), Item("b", "done"))


def test_a_sub_agent_that_runs_can_be_ended_from_its_card() -> None:
    agent = call("Agent", {"description": "look"})
    started = e.TaskStarted(
        task_id="t1", kind="local_agent", description="look", loop={"parent": agent.id}
    )
    (block,) = folded(agent, started)
    assert isinstance(block, ToolBlock)
    assert block.task == "t1"

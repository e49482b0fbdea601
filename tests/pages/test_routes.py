"""Pages and forms as a browser without scripts uses them."""

from __future__ import annotations

import re
import time

import anyio.lowlevel
import httpx
import pytest

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id
from tests.pages.tree import parse
from tests.support.server import RunningServer


@pytest.mark.parametrize("path", ["/", "/new", "/settings", "/docs", "/usage"])
async def test_a_page_is_whole_and_carries_nothing_inline(
    http: httpx.AsyncClient, path: str
) -> None:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", answer.text)
    assert "popover" in answer.text


async def test_a_failure_is_a_page_for_people_and_a_note_for_scripts(
    http: httpx.AsyncClient,
) -> None:
    page = await http.get("/sessions/nothing")
    assert page.status_code == 404
    assert "Nothing is here" in page.text
    note = await http.get("/sessions/nothing", headers={"hx-request": "true"})
    assert note.status_code == 404
    assert note.text.startswith('<hx-partial hx-target="#toasts"')


async def test_a_form_that_is_sent_twice_begins_one_session(http: httpx.AsyncClient) -> None:
    form = {"text": "[[text: hi]]", "event_id": new_event_id()}
    first = await http.post("/sessions", data=form)
    second = await http.post("/sessions", data=form)
    other = await http.post("/sessions", data={**form, "text": "[[text: ho]]"})
    assert first.status_code == second.status_code == other.status_code == 303
    assert first.headers["location"] == second.headers["location"] != other.headers["location"]


async def test_an_unknown_template_keeps_what_was_written(http: httpx.AsyncClient) -> None:
    form = {"text": "my <words>", "template": "missing"}
    answer = await http.post("/sessions", data=form)
    assert answer.status_code == 400
    assert "my &lt;words&gt;" in answer.text


async def test_a_title_with_markup_is_shown_as_text(
    http: httpx.AsyncClient, session_id: SessionId
) -> None:
    title = "<script>alert(1)</script>"
    await http.post(f"/sessions/{session_id}/rename", data={"title": title})
    for path in ("/", f"/sessions/{session_id}", f"/sessions/{session_id}/delete"):
        text = (await http.get(path)).text
        assert title not in text
        assert "&lt;script&gt;alert(1)" in text


async def test_long_output_is_cut_on_the_page_and_whole_on_demand(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    call = e.AgentToolUse(name="bash", input={"command": "seq"}, evaluated_permission="allow")
    text = "\n".join(f"line {n}" for n in range(9000))
    done = e.AgentToolResult(tool_use_id=call.id, content=[e.text_block(text)])
    await server.services.log.append(session_id, [call, done])
    page = (await http.get(f"/sessions/{session_id}")).text
    assert "line 8000" not in page
    link = re.search(r'href="(/sessions/[^"]*/output[^"]*)"', page)
    assert link
    assert "line 8000" in (await http.get(link[1])).text


async def test_an_earlier_part_comes_as_a_page_and_as_a_fragment(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    texts = [e.AgentMessage(content=[e.text_block(f"said {n}.")]) for n in range(5)]
    await server.services.log.append(session_id, texts)
    path = f"/sessions/{session_id}/history"
    page = (await http.get(f"{path}?before=4")).text
    assert "said 2." in page
    assert "said 3." not in page
    assert page.startswith("<!")
    fragment = await http.get(f"{path}?before=4", headers={"hx-request": "true"})
    assert "said 2." in fragment.text
    assert not fragment.text.startswith("<!")
    assert (await http.get(f"{path}?before=x")).status_code == 400


async def test_an_output_is_shown_alone_raw_and_as_a_fragment(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    call = e.AgentMcpToolUse(
        name="look", mcp_server_name="files", input={"at": "<here>"}, evaluated_permission="allow"
    )
    done = e.AgentMcpToolResult(mcp_tool_use_id=call.id, content=[e.text_block("found <it>")])
    said = e.AgentMessage(content=[e.text_block("no call")])
    waiting = e.AgentToolUse(name="bash", input={"command": "ls"}, evaluated_permission="allow")
    await server.services.log.append(session_id, [call, done, said, waiting])
    path = f"/sessions/{session_id}/events/{{}}/output"
    assert (await http.get(path.format(done.id) + "?raw=1")).text == "found <it>"
    page = (await http.get(path.format(done.id))).text
    assert "found &lt;it&gt;" in page
    assert "&lt;here&gt;" in page
    fragment = await http.get(path.format(done.id), headers={"hx-request": "true"})
    assert "found &lt;it&gt;" in fragment.text
    assert (await http.get(path.format(waiting.id) + "?raw=1")).text == ""
    for nothing in (said.id, new_event_id()):
        assert (await http.get(path.format(nothing))).status_code == 404


async def test_an_ask_is_answered_by_its_form(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    questions = [{"question": "Which?", "options": [{"label": "this"}, {"label": "that"}]}]
    call = e.AgentToolUse(
        name="AskUserQuestion", input={"questions": questions}, evaluated_permission="ask"
    )
    other = e.AgentToolUse(name="bash", input={"command": "ls"}, evaluated_permission="ask")
    await server.services.log.append(session_id, [e.SessionStatusRunning(), call, other])
    path = f"/sessions/{session_id}/asks/{{}}"
    assert "Which?" in (await http.get(f"/sessions/{session_id}")).text
    allow = {"result": "allow", "q0": "that"}
    assert (await http.post(path.format(call.id), data=allow)).status_code == 303
    late = await http.post(path.format(call.id), data=allow)
    assert late.status_code == 409
    deny = {"result": "deny", "message": "Use git instead"}
    assert (await http.post(path.format(other.id), data=deny)).status_code == 303
    rows = await server.services.log.page(session_id, types=["user.tool_confirmation"])
    first, second = (row.event() for row in rows)
    assert isinstance(first, e.UserToolConfirmation)
    assert isinstance(second, e.UserToolConfirmation)
    assert (first.loop or {})["updated_input"]["answers"] == {"Which?": "that"}
    assert (second.result, second.deny_message) == ("deny", "Use git instead")
    assert "Use git instead" in (await http.get(f"/sessions/{session_id}")).text


async def test_a_waiting_message_is_taken_out_by_its_button(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    await server.services.log.append(session_id, [e.SessionStatusRunning()])
    form = {"text": "later, please", "event_id": new_event_id()}
    sent = await http.post(f"/sessions/{session_id}/messages", data=form)
    assert sent.status_code == 303
    assert "later, please" in (await http.get(f"/sessions/{session_id}")).text
    remove = f"/sessions/{session_id}/queue/{form['event_id']}/remove"
    assert (await http.post(remove)).status_code == 303
    assert "later, please" not in (await http.get(f"/sessions/{session_id}")).text
    assert (await http.post(remove)).status_code == 404


async def test_stop_archive_and_delete_work_by_forms_alone(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    path = f"/sessions/{session_id}"
    await server.services.log.append(session_id, [e.SessionStatusRunning()])
    assert (await http.post(f"{path}/archive")).status_code == 409, "it is running"
    assert (await http.post(f"{path}/interrupt")).status_code == 303
    assert (await http.post(f"{path}/archive")).status_code == 303
    assert "Archived" in (await http.get(path)).text
    assert (await http.post(f"{path}/delete")).status_code == 404, "only what is in the trash"
    assert (await http.post(f"{path}/trash")).headers["location"] == f"/?undo={session_id}"
    assert (await http.get(path)).status_code == 404
    assert (await http.post(f"{path}/trash")).status_code == 303, "gone is gone"
    assert "Undo" in (await http.get(f"/?undo={session_id}")).text
    assert (await http.post(f"{path}/restore")).status_code == 303
    assert (await http.get(path)).status_code == 200
    assert (await http.post(f"{path}/trash")).status_code == 303
    assert (await http.post(f"{path}/delete")).status_code == 303
    assert (await http.get(f"{path}/delete")).status_code == 404


async def test_a_session_with_20_000_events_opens_at_once(
    server: RunningServer, http: httpx.AsyncClient, session_id: SessionId
) -> None:
    for _ in range(20):
        batch: list[e.Event] = []
        for n in range(250):
            call = e.AgentToolUse(
                name="edit",
                input={"file_path": "a.py", "old_string": f"x = {n}\ny", "new_string": f"x = {n}"},
                evaluated_permission="allow",
            )
            done = e.AgentToolResult(tool_use_id=call.id, content=[e.text_block("changed")])
            text = e.AgentMessage(content=[e.text_block(f"Step **{n}** of `many`.\n\n- a\n- b")])
            batch += [e.UserMessage(content=[e.text_block("go")]), text, call, done]
        await server.services.log.append(session_id, batch)
    times = []
    answer = await http.get("/")
    for _ in range(4):
        began = time.perf_counter()
        answer = await http.get(f"/sessions/{session_id}")
        times.append(time.perf_counter() - began)
        await anyio.lowlevel.checkpoint()
    assert answer.status_code == 200
    parse(answer.text.split("<body>")[1].split("</body>")[0])
    assert min(times) < 0.1

"""The scripted model as a client of the Messages API meets it."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import pytest
from anthropic import AsyncAnthropic

from loopagent.scripted import SUGGESTED_PROMPTS, ScriptedModel
from tests.scripted.messages import Client, answered, called, read, said, user


async def test_a_stream_has_the_events_of_the_api_in_order(client: Client) -> None:
    answer = await client.ask("[[think: hm]] [[text: hello world]] [[tool: Bash {}]]")
    assert answer.kinds == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert answer.deltas == ["hello ", "world"]
    assert answer.events[4]["delta"]["type"] == "signature_delta"
    assert answer.stop_reason == "tool_use"


async def test_the_official_client_understands_stream_and_body(client: Client) -> None:
    prompt = '[[think: hm]] [[text: hello world]] [[tool: Bash {"command":"ls"}]]'
    async with AsyncAnthropic(base_url=client.url, api_key="invented", max_retries=0) as official:
        async with official.messages.stream(
            model="claude-x", max_tokens=9, messages=[{"role": "user", "content": prompt}]
        ) as stream:
            streamed = await stream.get_final_message()
        whole = await official.messages.create(
            model="claude-x", max_tokens=9, messages=[{"role": "user", "content": prompt}]
        )
        counted = await official.messages.count_tokens(
            model="claude-x", messages=[{"role": "user", "content": prompt}]
        )
        listed = await official.models.list()
    for message in (streamed, whole):
        assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
        assert message.stop_reason == "tool_use"
    assert counted.input_tokens == streamed.usage.input_tokens
    assert [entry.id for entry in listed.data] == ["claude-scripted"]


async def test_a_round_is_chosen_from_the_request_alone(client: Client) -> None:
    prompt = '[[tool: Bash {"command":"a"}]] [[tool: Bash {"command":"b"}]] [[text: end]]'
    history = [user(prompt)]
    for number, command in enumerate(["a", "b"]):
        assert (await client.ask(history)).calls == [("Bash", {"command": command})]
        history += [called((f"t{number}", "Bash", {})), answered((f"t{number}", "ok"))]
    assert (await client.ask(history)).text == "end"
    assert (await client.ask(history[:3])).calls == [("Bash", {"command": "b"})]


async def test_after_the_last_round_the_results_are_told(client: Client) -> None:
    history = [user("[[tool: Bash {}]]"), called(("t", "Bash", {})), answered(("t", "ok"))]
    assert (await client.ask(history)).text == "Done.\n\n- Bash: ok"


async def test_earlier_prompts_are_recalled(client: Client) -> None:
    answer = await client.ask([user("my name is Kim"), said("noted"), user("[[recall]]")])
    assert answer.text == "1. my name is Kim"


async def test_the_pace_keeps_to_its_schedule(client: Client) -> None:
    start = time.monotonic()
    answer = await client.ask("[[stream: 100 @ 100]]")
    took = time.monotonic() - start
    assert len(answer.deltas) == 100
    assert 0.98 <= took < 1.3


async def test_deltas_arrive_while_the_reply_is_being_written(client: Client) -> None:
    body = {"model": "m", "stream": True, "messages": [user("[[stream: 50 @ 10]]")]}
    start = time.monotonic()
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        seen = b""
        while b'"w3 "' not in seen:
            seen += await response.content.readany()
    assert time.monotonic() - start < 2
    assert b'"w9 "' not in seen


async def test_full_pace_is_at_least_20000_deltas_a_second(client: Client) -> None:
    start = time.monotonic()
    body = {"model": "m", "stream": True, "messages": [user("[[stream: 40000]]")]}
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        raw = await response.read()
    assert time.monotonic() - start < 2
    assert raw.count(b'"text_delta"') == 40_000


async def test_a_long_stream_lets_others_through(client: Client) -> None:
    body = {"model": "m", "stream": True, "messages": [user("[[stream: 300000]]")]}
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        await response.content.readany()
        assert (await client.ask("[[text: meanwhile]]")).text == "meanwhile"
        assert not response.content.at_eof()


async def test_a_huge_reply_has_its_size(client: Client) -> None:
    assert len((await client.ask("[[huge: 3000000]]")).text) == 3_000_000


async def test_usage_is_what_the_script_says(client: Client) -> None:
    answer = await client.ask("[[usage: in=1000 out=500]] [[text: x]]")
    assert answer.events[0]["message"]["usage"]["input_tokens"] == 1000
    assert answer.events[-2]["usage"]["output_tokens"] == 500


async def test_a_prompt_without_directives_is_echoed_and_shown_the_tour(client: Client) -> None:
    answer = await client.ask("what is the capital of France?", stream=False)
    assert "built-in scripted model" in answer.text
    assert "what is the capital of France?" in answer.text
    assert all(prompt in answer.text for prompt in SUGGESTED_PROMPTS)


async def test_a_directive_that_cannot_be_read_is_answered_in_words(client: Client) -> None:
    answer = await client.ask("[[error: soon]]", stream=False)
    assert answer.status == 200
    assert "[[error: soon]]: the status must be a number" in answer.text


@pytest.mark.parametrize("header", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
async def test_requests_are_remembered_with_the_key(
    model: ScriptedModel, client: Client, header: dict[str, str]
) -> None:
    await client.ask("[[text: x]]", headers=header)
    (seen,) = model.requests
    assert (seen.method, seen.path, seen.key, seen.model) == (
        "POST",
        "/v1/messages",
        "k",
        "claude-x",
    )
    assert seen.body["messages"] == [user("[[text: x]]")]


async def test_remembered_requests_are_bounded(model: ScriptedModel, client: Client) -> None:
    for _ in range(3):
        await client.ask("[[text: x]]" + " " * 4_000_000)
    assert len(model.requests) == 2
    for number in range(205):
        await client.ask(f"[[text: {number}]]")
    assert len(model.requests) == 200
    assert model.requests[-1].body["messages"] == [user("[[text: 204]]")]


async def test_a_rejected_key_is_an_authentication_error(client: Client) -> None:
    for key in ("rejected", "sk-rejected-42"):
        answer = await client.ask("hi", headers={"x-api-key": key})
        assert (answer.status, answer.body["error"]["type"]) == (401, "authentication_error")


async def test_an_unknown_model_is_not_found(client: Client) -> None:
    answer = await client.ask("hi", model="claude-unknown-9")
    assert (answer.status, answer.body["error"]["type"]) == (404, "not_found_error")
    assert "claude-unknown-9" in answer.body["error"]["message"]


async def test_errors_have_the_envelope_whatever_the_cause(client: Client) -> None:
    url = f"{client.url}/v1/messages"
    for body in ("{broken", "[1]", '"text"'):
        async with client.http.post(url, data=body) as response:
            answer = await read(response)
        assert (answer.status, answer.body["error"]["type"]) == (400, "invalid_request_error")
        assert answer.headers["request-id"].startswith("req_")
    async with client.http.get(f"{client.url}/nowhere") as response:
        answer = await read(response)
    assert (answer.status, answer.body["error"]["type"]) == (404, "not_found_error")


async def test_the_first_knock_is_answered(client: Client) -> None:
    async with client.http.head(f"{client.url}/") as response:
        assert response.status == 200


async def test_a_request_for_a_title_gets_one(client: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
    }
    answer = await client.ask(
        "<session>\n[[error: 529]] please write a thing\n</session>\n\nWrite the title.",
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert json.loads(answer.text) == {"title": "please write a thing"}


async def test_a_demanded_form_is_met_with_the_plainest_values(client: Client) -> None:
    parts = {
        "kind": {"enum": ["a", "b"]},
        "list": {"type": "array"},
        "count": {"type": "integer"},
        "inner": {"type": "object", "properties": {"flag": {"type": "boolean"}}},
    }
    schema = {"type": "object", "properties": parts}
    answer = await client.ask("x", output_config={"format": {"schema": schema}})
    assert json.loads(answer.text) == {
        "kind": "a",
        "list": [],
        "count": 0,
        "inner": {"flag": False},
    }


async def test_a_quota_check_is_answered_briefly(client: Client) -> None:
    assert (await client.ask("quota", stream=False)).text == "ok"


async def test_the_stop_reason_can_be_given(client: Client) -> None:
    answer = await client.ask("[[text: half]] [[stop: max_tokens]]")
    assert answer.stop_reason == "max_tokens"
    prompt = "Output token limit hit. Resume directly"
    rest = await client.ask(
        [user("[[text: half]] [[stop: max_tokens]]"), said("half"), user(prompt)]
    )
    assert (rest.text, rest.stop_reason) == ("Done.", "end_turn")


async def test_a_summary_does_not_run_directives_again(client: Client) -> None:
    ask = "Your task is to create a detailed summary of the conversation so far"
    answer = await client.ask([user("[[error: 500]]"), said("x"), user(ask)])
    assert "<summary>" in answer.text
    assert "[[" not in answer.text


async def test_the_end_of_a_background_task_is_told(client: Client) -> None:
    notice = (
        "<system-reminder><task-notification><summary>Agent finished</summary>"
        "<result>from below</result></task-notification></system-reminder>"
    )
    for prompt in ("run it", "[[text: launched]]"):
        answer = await client.ask([user(prompt), said("launched"), user(notice)])
        assert "Agent finished\n\nfrom below" in answer.text


async def test_words_sent_in_mid_turn_are_acknowledged(client: Client) -> None:
    steer = "The user sent a new message while you were working:\nhurry\n\nThis is how it works."
    history = [
        user("[[tool: Bash {}]] [[text: fin]]"),
        called(("t", "Bash", {})),
        answered(("t", "ok")),
        {"role": "system", "content": steer},
    ]
    answer = await client.ask(history)
    assert "“hurry”" in answer.text
    assert answer.text.endswith("fin")


async def test_stopping_ends_running_streams_within_a_second() -> None:
    model = ScriptedModel()
    url = await model.start()
    body = {"model": "m", "stream": True, "messages": [user("[[stream: 900 @ 10]]")]}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/v1/messages", json=body) as response,
    ):
        await response.content.readany()
        start = time.monotonic()
        await model.stop()
        assert time.monotonic() - start < 1
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    await model.stop()


async def test_a_port_that_is_taken_is_an_error(client: Client) -> None:
    port = int(client.url.rsplit(":", maxsplit=1)[1])
    with pytest.raises(OSError, match="address already in use"):
        await ScriptedModel(port=port).start()


async def test_a_stream_ends_when_its_client_goes_away(client: Client) -> None:
    before = asyncio.all_tasks()
    body = {"model": "m", "stream": True, "messages": [user("[[silence: 600]]")]}
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        assert response.status == 200
        serving = asyncio.all_tasks() - before
        assert serving
    _, going_on = await asyncio.wait(serving, timeout=2)
    assert not going_on

"""Faults on demand: what breaks, how, and how often."""

from __future__ import annotations

import time

import aiohttp
import pytest

from tests.scripted.messages import Client, said, until_cut, user


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
async def test_an_error_has_its_status_and_envelope(client: Client, status: int, kind: str) -> None:
    for stream in (True, False):
        answer = await client.ask(f"[[text: never]] [[error: {status}]]", stream=stream)
        assert answer.status == status
        assert answer.body["type"] == "error"
        assert answer.body["error"]["type"] == kind


async def test_a_rate_limit_says_when_to_come_back(client: Client) -> None:
    answer = await client.ask("[[error: 429 retry-after=3]]")
    assert answer.headers["retry-after"] == "3"
    assert "retry-after" not in (await client.ask("[[error: 429]]")).headers


async def test_an_errors_type_and_message_can_be_given(client: Client) -> None:
    answer = await client.ask('[[error: 400 type=billing_error message="Credit is too low"]]')
    assert answer.body["error"] == {"type": "billing_error", "message": "Credit is too low"}


async def test_a_fault_goes_away_after_its_number_of_times(client: Client) -> None:
    prompt = "[[error: 529 times=2]] [[text: at last]]"
    answers = [await client.ask(prompt) for _ in range(4)]
    assert [answer.status for answer in answers] == [529, 529, 200, 200]
    assert answers[-1].text == "at last"


async def test_each_session_and_each_turn_counts_its_own_faults(client: Client) -> None:
    prompt = "[[error: 529 times=1]]"
    for session in ("one", "two"):
        answer = await client.ask(prompt, headers={"x-claude-code-session-id": session})
        assert answer.status == 529
    later = [user(prompt), said("x"), user(prompt)]
    answer = await client.ask(later, headers={"x-claude-code-session-id": "one"})
    assert answer.status == 529


async def test_faults_in_a_row_are_counted_one_after_the_other(client: Client) -> None:
    prompt = "[[error: 529 times=1]] [[error: 500 times=1]] [[text: fine]]"
    assert [(await client.ask(prompt)).status for _ in range(3)] == [529, 500, 200]


async def test_a_cut_closes_the_connection_after_so_many_deltas(client: Client) -> None:
    seen = await until_cut(client, "[[cut: 5]]")
    assert seen.count(b"text_delta") == 5
    assert b"message_stop" not in seen


async def test_a_cut_in_its_place_comes_after_the_text_before_it(client: Client) -> None:
    seen = await until_cut(client, "[[text: a b]] [[cut]] [[text: c]]")
    assert seen.count(b"text_delta") == 2


async def test_a_cut_spares_a_request_that_does_not_stream(client: Client) -> None:
    answer = await client.ask("[[text: whole]] [[cut: 0]]", stream=False)
    assert answer.text == "whole"


async def test_an_error_event_ends_a_stream(client: Client) -> None:
    answer = await client.ask("[[text: a]] [[sse_error]] [[text: never]]")
    assert answer.kinds[-1] == "error"
    assert answer.events[-1]["error"]["type"] == "overloaded_error"
    assert answer.text == "a"


async def test_a_refused_connection_gives_no_answer(client: Client) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.ask("[[refuse]]")


async def test_silence_comes_after_the_headers_and_a_wait_before_them(client: Client) -> None:
    for prompt, before in (("[[silence: 0.4]] [[text: x]]", False), ("[[wait: 0.4]]", True)):
        body = {"model": "m", "stream": True, "messages": [user(prompt)]}
        start = time.monotonic()
        async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
            assert (time.monotonic() - start >= 0.4) is before
            first = await response.content.readany()
        assert time.monotonic() - start >= 0.4
        assert b"message_start" in first


async def test_silence_in_mid_stream_keeps_what_came_before(client: Client) -> None:
    prompt = "[[text: early]] [[silence: 0.4]] [[text: late]]"
    body = {"model": "m", "stream": True, "messages": [user(prompt)]}
    start = time.monotonic()
    async with client.http.post(f"{client.url}/v1/messages", json=body) as response:
        first = await response.content.readany()
        assert time.monotonic() - start < 0.4
        rest = await response.read()
    assert time.monotonic() - start >= 0.4
    assert b"early" in first
    assert b"late" in rest

"""Usage is read however the bytes are cut, and memory stays bounded."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.credentials.usage import UsageMeter
from loopagent.domain.usage import TokenUsage
from tests.credentials.upstream import DELTA, END, START

STREAM = START + DELTA * 3 + END
EXPECTED = TokenUsage(input_tokens=7, cache_read_input_tokens=3, output_tokens=42)


def metered(*chunks: bytes, kind: str = "text/event-stream; charset=utf-8") -> UsageMeter:
    meter = UsageMeter(kind)
    for chunk in chunks:
        meter.feed(chunk)
    meter.finish()
    return meter


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted), st.booleans())
def test_any_cut_of_a_stream_gives_the_same_usage(cuts: list[int], windows: bool) -> None:
    stream = STREAM.replace(b"\n", b"\r\n") if windows else STREAM
    edges = [0, *cuts, len(stream)]
    meter = metered(*(stream[a:b] for a, b in pairwise(edges)))
    assert meter.usage == EXPECTED
    assert meter.model == "claude-x"


def test_a_stream_cut_at_its_start_counts_what_it_had_reported() -> None:
    assert metered(START, DELTA[:20]).usage == TokenUsage(
        input_tokens=7, cache_read_input_tokens=3, output_tokens=1
    )
    assert metered(DELTA).usage is None
    assert metered().usage is None


def test_a_plain_answer_is_read_at_its_end() -> None:
    body = json.dumps({"model": "m", "usage": {"input_tokens": 5, "output_tokens": 2}}).encode()
    meter = metered(body[:9], body[9:], kind="application/json")
    assert meter.usage == TokenUsage(input_tokens=5, output_tokens=2)
    assert meter.model == "m"


@pytest.mark.parametrize(
    "data",
    [
        b"data: message_start",
        b'data: {"type":"message_start","message":["message_start"]}',
        b'data: {"type":"message_start","message":{"model":3,"usage":[1]}}',
        b'data: {"type":"message_delta","usage":{"output_tokens":"many","x":null}}',
        b"data: " + b"[" * 100_000 + b'"message_start"',
        b'data: "message_start"\xff\xfe',
    ],
)
def test_odd_reports_count_for_nothing(data: bytes) -> None:
    assert metered(data + b"\n\n").usage is None


def test_text_that_looks_like_a_report_is_not_one() -> None:
    event = {"type": "content_block_delta", "delta": {"text": 'x "message_delta" y'}}
    event["usage"] = {"output_tokens": 9}
    assert metered(f"data: {json.dumps(event)}\n\n".encode()).usage is None


def test_an_endless_line_is_forgotten_and_the_next_report_still_counts() -> None:
    meter = UsageMeter("text/event-stream")
    part = b"x" * 65_536
    tracemalloc.start()
    for _ in range(300):
        meter.feed(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    meter.feed(b"\n" + STREAM)
    assert meter.usage == EXPECTED

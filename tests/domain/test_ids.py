"""Identifiers and money."""

from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.domain import ids, money
from loopagent.domain.money import MicroUSD


def test_ids_are_prefixed_and_never_the_same() -> None:
    made = {ids.new_session_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(ids.is_session_id(session_id) for session_id in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sesn_",
        "sesn_../../etc/passwd00000000000",
        "sesn_" + "0" * 25,
        "sesn_" + "0" * 27,
        "sesn_" + "i" * 26,
        "sesn_" + "0" * 26 + "\n",
        "SESN_" + "0" * 26,
        "sevt_" + "0" * 26,
    ],
)
def test_what_is_no_session_id_is_not_taken_for_one(text: str) -> None:
    assert not ids.is_session_id(text)


def test_ids_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 31, 32, 1_900_000_000_000, 1_900_000_000_001, 2**48 - 1):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        made.append(ids.new_event_id())
    assert made == sorted(made)


def test_a_prompt_always_has_the_same_uuid_and_another_prompt_another() -> None:
    first, second = ids.new_event_id(), ids.new_event_id()
    assert ids.prompt_uuid(first) == ids.prompt_uuid(first) != ids.prompt_uuid(second)
    assert str(uuid.UUID(ids.prompt_uuid(first))) == ids.prompt_uuid(first)
    # A change here would run prompts a second time after an upgrade.
    assert ids.prompt_uuid(ids.EventId("sevt_0")) == "1c9bc5c5-2738-52ca-8fc5-8271e25e6cc0"


@given(st.integers(-(10**12), 10**12))
def test_money_is_written_exactly(amount: int) -> None:
    text = money.to_dollars(MicroUSD(amount))
    assert "e" not in text
    assert len(text.partition(".")[2]) >= 2
    assert money.from_dollars(float(text)) == amount


@pytest.mark.parametrize(
    ("amount", "wire", "shown"),
    [
        (0, "0.00", "$0.00"),
        (1400, "0.0014", "<$0.01"),
        (9_999, "0.009999", "<$0.01"),
        (10_000, "0.01", "$0.01"),
        (690_000, "0.69", "$0.69"),
        (1_234_500_000, "1234.50", "$1,234.50"),
        (-690_000, "-0.69", "-$0.69"),
    ],
)
def test_money_for_the_wire_and_for_people(amount: int, wire: str, shown: str) -> None:
    assert money.to_dollars(MicroUSD(amount)) == wire
    assert money.format_dollars(MicroUSD(amount)) == shown


def test_agents_environments_and_requests_have_ids_of_their_own() -> None:
    assert ids.new_agent_id().startswith("agent_")
    assert ids.new_environment_id().startswith("env_")
    assert ids.new_request_id().startswith("req_")

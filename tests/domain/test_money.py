"""What a session may cost and has cost, as its log tells it."""

from __future__ import annotations

from typing import Any

import pytest

from loopagent.domain import events as e
from loopagent.domain.money import MicroUSD, differs
from loopagent.domain.session import Session, apply
from loopagent.domain.usage import TokenUsage
from tests.domain import made


def updated(session: Session, **changes: Any) -> Session:
    event = e.SessionUpdated.model_validate(changes)
    return apply(session, e.processed(event, session.seq + 1, made.START))


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        ({"max_list_cost": {"amount": "1.5"}}, 1_500_000),
        ({"max_list_cost": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_budget_is_set_and_taken_away_by_an_update(budget: Any, limit: int | None) -> None:
    before = updated(made.session(), budget={"max_list_cost": {"amount": "9"}})
    assert before.budget == 9_000_000
    assert updated(before, budget=budget).budget == limit


def test_a_policy_for_lost_turns_is_set_by_an_update() -> None:
    assert updated(made.session(), recovery="never").recovery == "never"


def test_two_accounts_differ_by_more_than_rounding_does() -> None:
    assert not differs(MicroUSD(1_000_000), MicroUSD(1_000_000))
    assert differs(MicroUSD(1_000_000), MicroUSD(2_000_000), turns=3)


def test_a_turn_waits_for_its_budget_only_where_that_stopped_it() -> None:
    assert not made.session().is_over_budget
    stopped = made.session(stop_reason=e.StopReason(type="budget_reached"))
    assert stopped.is_over_budget


def test_tokens_read_and_written_are_counted_together() -> None:
    usage = TokenUsage(
        input_tokens=1,
        output_tokens=20,
        cache_read_input_tokens=300,
        cache_creation_input_tokens=4000,
    )
    assert (usage.prompt_tokens, usage.total_tokens) == (4301, 4321)

"""Budgets: what is said of them, and what a raise gives."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.domain.budget import Scope, Standing, refusal, refused, standing_of
from loopagent.domain.money import MicroUSD

AMOUNTS = st.integers(0, 10**12).map(MicroUSD)


@given(st.sampled_from(get_args(Scope)), AMOUNTS, AMOUNTS)
def test_a_refusal_tells_exactly_which_budget_is_spent(
    scope: Scope, spent: MicroUSD, limit: MicroUSD
) -> None:
    standing = Standing(scope=scope, spent=spent, limit=limit)
    assert refused(f"API Error: 402 {refusal(standing)}") == standing
    assert standing_of(standing.facts()) == standing


@pytest.mark.parametrize(
    "text", ["", "Credit balance is too low", "Budget reached. Mars: $1 of $1"]
)
def test_other_refusals_are_not_ours(text: str) -> None:
    assert refused(text) is None


def test_other_facts_are_no_standing() -> None:
    assert standing_of(None) is None
    assert standing_of({"scope": "planet"}) is None


@given(AMOUNTS, AMOUNTS)
def test_a_raise_gives_as_much_again_in_whole_cents(spent: MicroUSD, limit: MicroUSD) -> None:
    raised = Standing(scope="session", spent=spent, limit=limit).raised()
    assert raised % 10_000 == 0
    assert spent + limit <= raised < spent + limit + 10_000


def test_near_is_four_fifths() -> None:
    near = Standing(scope="day", spent=MicroUSD(800), limit=MicroUSD(1000))
    assert near.is_near
    assert not near.is_reached
    assert not Standing(scope="day", spent=MicroUSD(799), limit=MicroUSD(1000)).is_near

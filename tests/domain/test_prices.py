"""Prices: exact sums from data."""

from __future__ import annotations

import pytest

from loopagent.credentials.prices import load_prices
from loopagent.domain.prices import parse_prices
from loopagent.domain.usage import TokenUsage

PRICES = """
[[prices]]
models = ["claude-small", "claude-tiny"]
input = 0.1
output = 0.5
cache_write_5m = 0.125
cache_write_1h = 0.2
cache_read = 0.01
web_search = 0.01
long_prompt = { above = 1000, input = 1, output = 5, cache_write_5m = 1, cache_write_1h = 2, cache_read = 1 }

[[prices]]
models = ["claude-large"]
input = 5
output = 25
cache_write_5m = 6.25
cache_write_1h = 10
cache_read = 0.5
"""


def cost(model: str, **tokens: int) -> int:
    price, _ = parse_prices(PRICES).of(model)
    return price.cost(TokenUsage(**tokens))


def test_each_kind_of_token_has_its_price() -> None:
    assert cost("claude-large", input_tokens=100) == 500
    assert cost("claude-large", output_tokens=100) == 2500
    assert cost("claude-large", cache_read_input_tokens=100) == 50
    assert cost("claude-large", cache_creation_input_tokens=100) == 625
    both = {"cache_creation_input_tokens": 100, "cache_creation_1h_input_tokens": 40}
    assert cost("claude-large", **both) == 60 * 6.25 + 40 * 10


def test_a_request_is_rounded_once() -> None:
    tokens = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 20}
    assert cost("claude-small", **tokens) == 1  # 0.3 + 0.5 + 0.2 micro-dollars


def test_a_search_of_the_api_costs_its_own() -> None:
    assert cost("claude-tiny", web_search_requests=3) == 30_000


def test_a_long_prompt_has_other_prices_and_its_cached_part_counts() -> None:
    assert cost("claude-small", input_tokens=1000) == 100
    assert cost("claude-small", input_tokens=1, cache_read_input_tokens=1000) == 1001


@pytest.mark.parametrize(
    "name",
    ["claude-large-20250929", "us.anthropic.claude-large-20250929-v1:0", "claude-large@20250929",
     "claude-large[1m]", "anthropic/claude-large"],
)  # fmt: skip
def test_releases_and_gateways_names_are_known(name: str) -> None:
    assert parse_prices(PRICES).of(name) == parse_prices(PRICES).of("claude-large")


def test_an_unknown_model_has_the_dearest_price_and_is_told_apart() -> None:
    prices = parse_prices(PRICES)
    assert prices.of("gpt-9") == (prices.of("claude-large")[0], False)


def test_the_package_knows_the_models_that_it_offers() -> None:
    from loopagent.config import Settings

    prices = load_prices()
    for model in Settings().models:
        assert prices.of(model)[1], model
    sonnet = TokenUsage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert prices.of("claude-sonnet-5-5")[0].cost(sonnet) == 12_000_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prices = ", "not valid TOML"),
        ("", "holds no"),
        ("[[prices]]\ninput = 1", "names no models"),
        (PRICES.replace("cache_read = 0.5", ""), "claude-large: cache_read must be a number"),
        (PRICES.replace("input = 5", "input = -5"), "claude-large: input must be"),
        (PRICES.replace("above = 1000, ", ""), "long_prompt.above must be"),
        ('[[prices]]\nmodels = ["m"]\nlong_prompt = 5', "the prices of m: long_prompt must be"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_prices(text)


def test_usage_is_read_from_the_apis_shape_and_from_our_own() -> None:
    wire = {
        "input_tokens": 5,
        "output_tokens": None,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "server_tool_use": {"web_search_requests": 2},
    }
    usage = TokenUsage.of(wire)
    assert usage == TokenUsage(
        input_tokens=5,
        cache_creation_input_tokens=30,
        cache_creation_1h_input_tokens=20,
        web_search_requests=2,
    )
    assert TokenUsage.of({name: getattr(usage, name) for name in usage.__slots__}) == usage
    assert (usage + usage).prompt_tokens == 70


def test_what_a_request_costs_at_most_is_its_prompt_uncached_and_its_reply_full() -> None:
    price, _ = parse_prices(PRICES).of("claude-large")
    expected = TokenUsage(cache_creation_input_tokens=900, output_tokens=50)
    assert price.most(900, 50) == price.cost(expected)

"""Prices as data: what the tokens of a model cost, to a millionth of a micro-dollar."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopagent.domain.money import ZERO, MicroUSD
from loopagent.domain.usage import TokenUsage

_SCALE = 1_000_000  # rates are whole numbers: millionths of a micro-dollar per token
_RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
_LARGEST = 1_000_000.0
# What gateways and dated releases add to a model's name.
_PREFIX = re.compile(r"^.*[./](?=claude-)")
_SUFFIX = re.compile(r"(\[\w+\]|@\d+|-v\d+(:\d+)?|:\d+|-\d{8})+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Millionths of a micro-dollar per token."""

    input: int
    output: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs. above: with a longer prompt than so many tokens, `long` counts."""

    rates: Rates
    web_search: MicroUSD = ZERO
    above: int | None = None
    long: Rates | None = None

    def cost(self, usage: TokenUsage) -> MicroUSD:
        """The cost of one request, rounded once."""
        rates = self.rates
        if self.above is not None and self.long is not None and usage.prompt_tokens > self.above:
            rates = self.long
        hour = min(usage.cache_creation_1h_input_tokens, usage.cache_creation_input_tokens)
        tokens = (
            usage.input_tokens * rates.input
            + usage.output_tokens * rates.output
            + usage.cache_read_input_tokens * rates.cache_read
            + (usage.cache_creation_input_tokens - hour) * rates.cache_write_5m
            + hour * rates.cache_write_1h
        )
        rounded = (tokens + _SCALE // 2) // _SCALE
        return MicroUSD(rounded + usage.web_search_requests * self.web_search)

    def most(self, prompt_tokens: int, max_tokens: int) -> MicroUSD:
        """What a request of this size costs at most: nothing of it cached, the reply full."""
        return self.cost(
            TokenUsage(cache_creation_input_tokens=prompt_tokens, output_tokens=max_tokens)
        )


class Prices:
    """The prices of all models. One that is not among them has the dearest."""

    def __init__(self, by_model: Mapping[str, Price]) -> None:
        self._by_model = dict(by_model)
        self.dearest = max(
            self._by_model.values(), key=lambda price: (price.rates.output, price.rates.input)
        )

    def of(self, model: str) -> tuple[Price, bool]:
        """A model's price, and whether it is known."""
        bare = _SUFFIX.sub("", _PREFIX.sub("", model))
        price = self._by_model.get(model) or self._by_model.get(bare)
        return (price, True) if price is not None else (self.dearest, False)


def parse_prices(text: str) -> Prices:
    """Prices from TOML; raises ValueError with the place and the reason."""
    try:
        entries = tomllib.loads(text).get("prices")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not valid TOML: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError("it holds no [[prices]].")
    found: dict[str, Price] = {}
    for number, entry in enumerate(entries, start=1):
        models = entry.get("models")
        if not isinstance(models, list) or not models:
            raise ValueError(f"[[prices]] number {number} names no models.")
        price = _price(entry, f"the prices of {models[0]}")
        found |= {str(model): price for model in models}
    return Prices(found)


def _price(entry: Mapping[str, Any], where: str) -> Price:
    long = entry.get("long_prompt")
    if long is not None and not isinstance(long, Mapping):
        raise ValueError(f"{where}: long_prompt must be a table.")
    return Price(
        rates=_rates(entry, where),
        web_search=MicroUSD(_scaled(entry.get("web_search", 0), f"{where}: web_search")),
        above=_scaled(long.get("above"), f"{where}: long_prompt.above") // _SCALE if long else None,
        long=_rates(long, f"{where}: long_prompt") if long else None,
    )


def _rates(entry: Mapping[str, Any], where: str) -> Rates:
    return Rates(**{name: _scaled(entry.get(name), f"{where}: {name}") for name in _RATES})


def _scaled(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise ValueError(f"{where} must be a number from 0 on, not {value!r}.")
    return round(value * _SCALE)

"""What a model request used: tokens by kind, and the searches that the API made itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens, summed over model requests.

    cache_creation_1h_input_tokens: those of the written ones that are kept for an hour.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    web_search_requests: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        names = self.__dataclass_fields__
        return TokenUsage(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def prompt_tokens(self) -> int:
        """All tokens that the model has read."""
        return self.input_tokens + self.cache_read_input_tokens + self.cache_creation_input_tokens

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.output_tokens

    @classmethod
    def of(cls, usage: Mapping[str, Any] | None) -> TokenUsage:
        """From the Messages API's usage object, or from our own; what is missing counts as 0."""
        usage = usage or {}
        numbers = {name: _number(usage.get(name)) for name in cls.__dataclass_fields__}
        written = usage.get("cache_creation")
        if isinstance(written, Mapping):
            hour = _number(written.get("ephemeral_1h_input_tokens"))
            both = hour + _number(written.get("ephemeral_5m_input_tokens"))
            total = max(numbers["cache_creation_input_tokens"], both)
            numbers["cache_creation_input_tokens"] = total
            numbers["cache_creation_1h_input_tokens"] = hour
        served = usage.get("server_tool_use")
        if isinstance(served, Mapping):
            numbers["web_search_requests"] = _number(served.get("web_search_requests"))
        return cls(**numbers)


def _number(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) else 0

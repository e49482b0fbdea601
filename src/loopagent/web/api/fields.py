"""What request bodies are made of: text, names, metadata, and what isn't supported yet."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from loopagent.domain.money import MicroUSD

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE = 16, 64, 512
NOT_YET = "not supported yet. Leave it out."


class Body(BaseModel):
    """A request body: frozen, unknown fields ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named fields that the request holds, null included."""
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


def printable(text: str) -> str:
    if any(char < " " or char == "\x7f" for char in text if char not in "\n\t"):
        raise ValueError("It holds a control character. Remove it.")
    return text


def _metadata(pairs: Mapping[str, str | None]) -> dict[str, str | None]:
    if len(pairs) > _MAX_PAIRS:
        raise ValueError(f"{len(pairs)} pairs; {_MAX_PAIRS} are allowed.")
    for key, value in pairs.items():
        if not 0 < len(key) <= _MAX_KEY:
            raise ValueError(f"The key {key[:80]!r} must have 1 to {_MAX_KEY} characters.")
        if value is not None and len(value) > _MAX_VALUE:
            raise ValueError(f"The value of {key!r} is longer than {_MAX_VALUE} characters.")
        printable(key + (value or ""))
    return dict(pairs)


def _unsupported(value: Any) -> None:
    if value:
        raise ValueError(NOT_YET)


class MoneyBody(Body):
    """Dollars as a decimal string or a number."""

    amount: Annotated[Decimal, Field(ge=0, le=10**9)]
    currency: Literal["USD"] = "USD"

    def micro(self) -> MicroUSD:
        return MicroUSD(round(self.amount * 1_000_000))


class Budget(Body):
    """The most that a session may cost."""

    type: Literal["limit"]
    max_list_cost: MoneyBody


Text = Annotated[str, AfterValidator(printable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256), AfterValidator(printable)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
MetadataChange = Annotated[dict[str, str | None], AfterValidator(_metadata)]
Unsupported = Annotated[Any, AfterValidator(_unsupported)]

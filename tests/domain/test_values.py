"""What the text of an environment variable means as a setting, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import pytest

from loopagent.domain.values import parse_value
from loopagent.errors import SettingsError


@dataclass
class Given:
    """One setting of each kind."""

    level: Literal["low", "high"] = "low"
    count: int = field(default=1, metadata={"low": 1, "high": 9})
    share: float | None = field(default=None, metadata={"low": 0.5})
    place: Path = Path()
    key: str | None = field(default=None, metadata={"secret": True})
    names: tuple[str, ...] = ("a",)
    text: str = ""


FIELDS = {spec.name: spec for spec in fields(Given)}


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("level", "high", "high"),
        ("count", "9", 9),
        ("share", "0.5", 0.5),
        ("place", "~/x", Path.home() / "x"),
        ("key", " sk-1\n", "sk-1"),
        ("names", "b, c,,", ("b", "c")),
        ("names", ",", ("a",)),
        ("text", " word ", "word"),
    ],
)
def test_a_text_becomes_the_settings_value(name: str, raw: str, value: object) -> None:
    assert parse_value(name, FIELDS[name], raw) == value


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("level", "middle", "low, high"),
        ("count", "1.5", "whole number from 1 to 9"),
        ("count", "10", "whole number from 1 to 9"),
        ("share", "x", "number of 0.5 or more"),
        ("key", "sk 1", "one unbroken line"),
        ("key", "sk\x001", "one unbroken line"),
        ("text", "a\nb", "control character"),
    ],
)
def test_a_text_that_means_nothing_is_refused_by_name(name: str, raw: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        parse_value(name, FIELDS[name], raw)
    assert name in caught.value.message

"""What the text of an environment variable means as the value of a setting."""

from __future__ import annotations

import re
from dataclasses import Field
from pathlib import Path
from typing import Any

from loopagent.errors import SettingsError


def parse_value(name: str, spec: Field[Any], raw: str) -> Any:
    """The value that `raw` gives a field of the settings; raises SettingsError naming it."""
    kind = str(spec.type)
    if kind.startswith("Literal"):
        choices = re.findall(r"'([^']+)'", kind)
        if raw not in choices:
            raise SettingsError(
                f"{name}={raw!r} is not known. Choose one of: {', '.join(choices)}."
            )
        return raw
    if kind.removesuffix(" | None") in {"int", "float"}:
        return _number(name, spec, raw, int if kind.startswith("int") else float)
    if kind.startswith("Path"):
        return Path(raw).expanduser()
    if spec.metadata.get("secret"):
        return _secret(name, raw)
    if not raw.strip().isprintable():
        raise SettingsError(f"{name} holds a line break or control character. Set it again.")
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in raw.split(",") if part.strip()) or spec.default
    return raw.strip()


def _number(name: str, spec: Field[Any], raw: str, convert: type[int] | type[float]) -> float:
    low = spec.metadata.get("low", float("-inf"))
    high = spec.metadata.get("high", float("inf"))
    bounds = f"of {low} or more" if high == float("inf") else f"from {low} to {high}"
    kind = "whole number" if convert is int else "number"
    problem = f"{name}={raw!r} is not a {kind} {bounds}. Set it to one, or leave it out."
    try:
        number = convert(raw)
    except ValueError as error:
        raise SettingsError(problem) from error
    if not low <= number <= high:
        raise SettingsError(problem)
    return number


def _secret(name: str, raw: str) -> str:
    secret = raw.strip()
    if not secret.isprintable() or " " in secret:
        raise SettingsError(
            f"{name} holds a line break, blank or control character inside. "
            "Set it again as one unbroken line."
        )
    return secret

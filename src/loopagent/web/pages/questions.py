"""The agent's questions: read with care from a tool's input, answered from a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    label: str
    description: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    header: str
    several: bool
    options: Sequence[Option]


def questions(given: Mapping[str, Any]) -> list[Question]:
    """The questions of an AskUserQuestion call; what isn't well-formed is left out."""
    found = given.get("questions")
    return [
        Question(
            text=str(item.get("question", "")),
            header=str(item.get("header", "")),
            several=bool(item.get("multiSelect")),
            options=_options(item.get("options")),
        )
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, Mapping)
    ]


def _options(found: Any) -> list[Option]:
    return [
        Option(str(item.get("label", "")), str(item.get("description", "")))
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, Mapping)
    ]


def answered_input(given: Mapping[str, Any], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The tool's input with the answers of a form: fields q0, q1, … and q0_other, …."""
    answers = {}
    for number, question in enumerate(questions(given)):
        chosen = [value for value in form.get(f"q{number}", ()) if value]
        own = [value.strip() for value in form.get(f"q{number}_other", ()) if value.strip()]
        # One's own words win over an option that was ticked before, unless several may be given.
        picked = [*chosen, *own] if question.several else own or chosen
        if picked:
            answers[question.text] = ", ".join(picked)
    return {**given, "answers": answers}


def answers(given: Mapping[str, Any] | None) -> dict[str, str]:
    """The answers in an answered input."""
    found = (given or {}).get("answers")
    if not isinstance(found, Mapping):
        return {}
    return {str(question): str(answer) for question, answer in found.items()}

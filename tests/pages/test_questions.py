"""The agent's questions, from its call to the answers."""

from __future__ import annotations

from typing import Any

import pytest

from loopagent.web.pages.questions import answered_input, answers, questions

GIVEN: dict[str, Any] = {
    "questions": [
        {
            "question": "Which colour?",
            "header": "Colour",
            "options": [{"label": "red", "description": "warm"}, {"label": "blue"}, "no option"],
        },
        {"question": "Which sizes?", "multiSelect": True, "options": [{"label": "S"}]},
        "no question",
    ],
    "other": 1,
}


def test_what_is_well_formed_of_a_call_is_shown() -> None:
    colour, sizes = questions(GIVEN)
    assert (colour.text, colour.header, colour.several) == ("Which colour?", "Colour", False)
    assert [option.label for option in colour.options] == ["red", "blue"]
    assert sizes.several


@pytest.mark.parametrize("given", [{}, {"questions": None}, {"questions": [{"options": 5}]}])
def test_a_malformed_call_breaks_nothing(given: dict[str, Any]) -> None:
    assert all(question.options == [] for question in questions(given))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"q0": ["red"], "q1": ["S", "M"]}, {"Which colour?": "red", "Which sizes?": "S, M"}),
        ({"q0": ["red"], "q0_other": [" green "]}, {"Which colour?": "green"}),
        ({"q1": ["S"], "q1_other": ["XL"]}, {"Which sizes?": "S, XL"}),
        ({"q0": [""], "q0_other": ["  "]}, {}),
    ],
)
def test_a_form_answers_and_own_words_win(form: dict[str, list[str]], told: dict[str, str]) -> None:
    changed = answered_input(GIVEN, form)
    assert changed == {**GIVEN, "answers": told}
    assert answers(changed) == told


@pytest.mark.parametrize("given", [None, {}, {"answers": 5}])
def test_without_answers_there_are_none(given: dict[str, Any] | None) -> None:
    assert answers(given) == {}

"""A text that grows shows the nodes of the whole text, and nothing flashes meanwhile."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.web.pages.markdown import markdown_nodes
from loopagent.web.pages.streaming import GrowingText, heal

TEXTS = [
    "# Title\n\nSome **bold** and `code`, [a link](https://x.y).\n\n- one\n- two\n\n  more\n\nend",
    "```python\ndef f():\n    return 1\n\n\nx = '```'\n```\n\nafter\n",
    "para\nlazy\n\nSetext\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote\nlazy\n\n1. one\n2. two",
    "a\r\nb\r\n\r\nc\r\n\r\nd",
    "- a\n\n  ```\n  code\n  ```\n\n- b\n\n***\n\n    indented\n",
    "~~~\n" + "\n".join(f"line {n} = {n}" for n in range(120)) + "\n~~~\n\nend",
]


@st.composite
def pieces(draw: st.DrawFn) -> list[str]:
    text = draw(st.sampled_from(TEXTS))
    cuts = sorted(draw(st.sets(st.integers(1, len(text) - 1), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(pieces())
def test_whatever_way_a_text_grows_its_nodes_are_those_of_the_whole(parts: list[str]) -> None:
    growing, shown, text = GrowingText(), dict[int, str](), ""
    for part in parts:
        text += part
        shown.update({piece.number: piece.html for piece in growing.update(text)})
    # Colours are left out: the end of a long block of code waits for them.
    plain = [re.sub(r"</?span[^>]*>", "", shown[n]) for n in sorted(shown) if shown[n]]
    assert plain == [re.sub(r"</?span[^>]*>", "", html) for html in markdown_nodes(heal(text))]


def test_only_the_last_node_is_sent_again() -> None:
    growing = GrowingText()
    growing.update("First.\n\nSecond")
    assert [piece.number for piece in growing.update("First.\n\nSecond one")] == [1]
    assert [piece.number for piece in growing.update("First.\n\nSecond one.\n\nThird")] == [1, 2]
    assert growing.update("First.\n\nSecond one.\n\nThird") == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("half **bold", "half **bold**"),
        ("half **bold*", "half **bold**"),
        ("half `code", "half `code`"),
        ("see [the docs](https://exa", "see "),
        ("Title\n--", "Title\n"),
        ("text\n   ", "text\n"),
        ("```\ncode **", "```\ncode **"),
        ("done **bold** and", "done **bold** and"),
    ],
)
def test_half_marks_do_not_flash(text: str, shown: str) -> None:
    assert heal(text) == shown

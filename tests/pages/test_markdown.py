"""Markdown from models and tools: readable, and never alive."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.web.pages.markdown import markdown_nodes, plain
from tests.pages.tree import parse

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](javascript:alert(1))",
    '<a hx-get="/sessions" hx-trigger="load">x</a>',
    "<hx-partial hx-target='body'>x</hx-partial>",
    "<div style='position:fixed'>x</div>",
    '```x" onmouseover="alert(1)\n<b>x</b>\n```',
    "[x](https://a.b 'on\" onclick=\"alert(1)')",
    "| <b onclick=x> | <style>*{}</style> |\n|---|---|\n| <iframe src=x> | x |",
    "\x00<b>\x08\x1b[31m",
]
ATTRIBUTES = {
    "class", "href", "title", "target", "rel", "type", "data-copy", "aria-label", "checked",
    "disabled", "tabindex", "start",
}  # fmt: skip


def check_inert(html: str) -> None:
    parse(html)
    for tag, rest in re.findall(r"<([a-zA-Z][\w-]*)([^>]*)>", html):
        assert tag not in {"script", "style", "iframe", "img", "svg", "form", "template"}
        assert not tag.startswith("hx-")
        names = set(re.findall(r"([\w:-]+)=", re.sub(r'"[^"]*"', '""', rest)))
        assert names <= ATTRIBUTES, (tag, names)
    for address in re.findall(r'href="([^"]*)"', html):
        assert not re.match(r"\s*(javascript|data|vbscript)", address, re.IGNORECASE)


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_in_a_text_can_run(text: str) -> None:
    check_inert("".join(markdown_nodes(text)))


@given(st.text(st.sampled_from("<>&\"'`*_[]()!#|-\n a1:/=~\\xhscript")))
def test_whatever_is_written_stays_inert_and_well_nested(text: str) -> None:
    check_inert("".join(markdown_nodes(text)))


def test_pictures_of_other_hosts_become_links() -> None:
    (html,) = markdown_nodes("![a chart](https://example.org/chart.png)")
    assert "<img" not in html
    assert 'href="https://example.org/chart.png"' in html


def test_code_is_coloured_by_classes_and_tables_aligned_by_them() -> None:
    code, table = markdown_nodes("```python\ndef f(): return '<b>'\n```\n\n|a|\n|--:|\n|1|")
    assert '<span class="k-key">def ' in code
    assert "&lt;b&gt;" in code
    assert '<td class="ta-right">1</td>' in table
    assert "style=" not in code + table


def test_control_characters_are_left_out() -> None:
    assert markdown_nodes("a\x1b[31mb\x00") == ("<p>a[31mb</p>",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("## What happened\n\n| run | result |\n|---|---|\n| first | ok |", "run result first ok"),
        ("**bold** and `code`", "bold and code"),
        ("- one\n- [two](https://example.org)", "one two"),
        ("```sh\nls\n```\n\nafter it", "after it"),
        ("```sh\nls\n```", ""),
    ],
)
def test_the_words_of_a_text_come_without_its_markup(text: str, words: str) -> None:
    assert plain(text).endswith(words)

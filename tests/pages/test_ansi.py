"""Terminal output in a browser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.web.pages.ansi import ansi_lines
from tests.pages.tree import parse


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("\x1b[31mred\x1b[0m plain", '<span class="a-f1">red</span> plain'),
        ("\x1b[48;2;255;255;255mwhite", '<span class="a-b15">white</span>'),
        ("\x1b[31;7mturned", '<span class="a-b1">turned</span>'),
        ("10%\r50%\r100%", "100%"),
        ("\x1b[2K\x1b[1Gclean\x1b]0;title\x07", "clean"),
        ("<b>&\x00\x07", "&lt;b&gt;&amp;"),
        ("\x1b[91mbright\x1b[39m plain", '<span class="a-f9">bright</span> plain'),
        ("\x1b[102mbehind\x1b[49m plain", '<span class="a-b10">behind</span> plain'),
        ("\x1b[38;5;2mnamed", '<span class="a-f2">named</span>'),
        ("\x1b[38;5;231mwhitest", '<span class="a-f15">whitest</span>'),
        ("\x1b[48;5;232mblackest", '<span class="a-b0">blackest</span>'),
        ("\x1b[7mturned\x1b[27m plain", '<span class="a-inverse">turned</span> plain'),
        ("\x1b[1mx\x1b[22mplain", None),
        ("\x1b[3;4mx\x1b[23;24mplain", None),
        ("\x1b[38;9mno such colour", "no such colour"),
        ("\x1b[38mcut off", "cut off"),
        ("\x1b[55mno such code", "no such code"),
    ],
)
def test_a_line_shows_what_a_terminal_would(text: str, html: str | None) -> None:
    (line,) = ansi_lines(text)
    if html is None:  # what is styled ends where it should
        assert line.startswith("<span")
        assert line.endswith("</span>plain")
    else:
        assert line == html


def test_colours_go_on_over_lines_and_each_line_stands_alone() -> None:
    assert ansi_lines("\x1b[32ma\nb\x1b[0m\nc") == [
        '<span class="a-f2">a</span>',
        '<span class="a-f2">b</span>',
        "c",
    ]


@given(st.text(st.sampled_from("\x1b[]0123456789;:mKHJ\r\n\x07<>&\"'a ?()")))
def test_no_output_breaks_the_page(text: str) -> None:
    for line in ansi_lines(text):
        parse(line)
        assert "\x1b" not in line

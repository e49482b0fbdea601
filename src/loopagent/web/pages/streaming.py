"""A text that grows, as nodes that are rendered once.

Only the last top-level node can still change, so only the tail is parsed again at each tick. What
comes out while the text grows may differ in trifles from the finished text (a link that is defined
later, say): the finished block is therefore sent once more, whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from loopagent.web.pages.highlight import code_html, code_lines
from loopagent.web.pages.markdown import parse

# Up to here an unfinished block of code is coloured anew at each tick.
_SHORT = 40

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)")
_RULE = re.compile(r"\n[ \t]*[-=*_`~|+#>]*[ \t]*\Z")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)", re.MULTILINE)
_HALF_LINK = re.compile(r"!?\[[^\]\n]*(?:\]\([^)\n]*)?\Z")


@dataclass(frozen=True, slots=True)
class Piece:
    """One node by its number; empty if the text no longer has it."""

    number: int
    html: str


class GrowingText:
    """Gives the nodes that changed since the last time."""

    def __init__(self) -> None:
        self._settled = 0  # characters of the text that belong to finished nodes
        self._first = 0  # number of the first node that is not finished
        self._shown: list[str] = []
        self._code = ""  # the part of an unfinished block of code that is coloured
        self._coloured: tuple[str, ...] = ()

    def update(self, text: str) -> list[Piece]:
        """The nodes that are new or changed in `text`, which begins with the last one given."""
        tail = text[self._settled :]
        nodes = parse(heal(tail), self._growing_code)
        htmls = [node.html for node in nodes]
        known = self._shown[self._first :]
        pieces = [
            Piece(self._first + number, html)
            for number, html in enumerate(htmls)
            if number >= len(known) or known[number] != html
        ]
        gone = range(len(htmls), len(known))
        pieces += [Piece(self._first + number, "") for number in gone]
        self._shown[self._first :] = htmls + [""] * len(gone)
        if len(nodes) > 1:
            self._settled += sum(map(len, _LINES.findall(tail)[: nodes[-1].line]))
            self._first += len(nodes) - 1
        return pieces

    def nodes(self) -> list[str]:
        """All nodes as they were last given."""
        return list(self._shown)

    def _growing_code(self, code: str, language: str) -> str:
        """Code as HTML, coloured anew only when it has grown by a tenth: the end waits plain."""
        lines = code.split("\n")
        if len(lines) <= _SHORT:
            return code_html(code, language)
        if not (self._code and code.startswith(self._code)) or len(lines) > 1.1 * len(
            self._coloured
        ):
            self._code = code[: code.rfind("\n") + 1]
            self._coloured = code_lines(self._code.removesuffix("\n"), language)
        rest = lines[len(self._coloured) :]
        return "\n".join([*self._coloured, *(escape(line, quote=False) for line in rest)])


def heal(text: str) -> str:
    """An unfinished text without what would flash: half marks are closed or held back."""
    text = _RULE.sub("\n", text) if "\n" in text else text
    fences = list(_FENCE.finditer(text))
    if len(fences) % 2:
        return text
    paragraph = text[max(text.rfind("\n\n") + 1, fences[-1].end() if fences else 0) :]
    link = _HALF_LINK.search(paragraph)
    if link and not paragraph[: link.start()].count("`") % 2:
        text = text[: len(text) - len(link[0])]
        paragraph = paragraph[: link.start()]
    if paragraph.count("`") % 2:
        return f"{text}`"
    bare = re.sub(r"`[^`]*`", "", paragraph)
    trimmed = text.rstrip("*_")
    if len(text) - len(trimmed) and bare.count("**") % 2:
        return trimmed if bare.rstrip("*").count("**") % 2 == 0 else f"{trimmed}**"
    return f"{text.rstrip()}**" if bare.count("**") % 2 else text

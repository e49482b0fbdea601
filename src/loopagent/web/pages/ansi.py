"""Terminal output as HTML: colours by class, everything else that a terminal obeys taken out.

Owns escape sequences. How much of an output is shown is for others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

_SEQUENCE = re.compile(
    r"\x1b\[([0-9;:]*)m"  # colour and weight
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_LEVELS = (0, 95, 135, 175, 215, 255)
_PALETTE = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (190, 150, 20),
    (36, 114, 200), (188, 63, 188), (17, 168, 205), (200, 200, 200),
    (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 220, 67),
    (59, 142, 234), (214, 112, 214), (41, 184, 219), (255, 255, 255),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Pen:
    ink: int | None = None
    ground: int | None = None
    styles: frozenset[int] = frozenset()
    inverse: bool = False

    def classes(self) -> str:
        ink, ground = (self.ground, self.ink) if self.inverse else (self.ink, self.ground)
        names = [f"a-{_STYLES[style]}" for style in sorted(self.styles)]
        if ink is not None:
            names.append(f"a-f{ink}")
        if ground is not None:
            names.append(f"a-b{ground}")
        if self.inverse and ink is None and ground is None:
            names.append("a-inverse")
        return " ".join(names)


def ansi_lines(text: str) -> list[str]:
    """The lines of a terminal's output as HTML, each complete in itself."""
    lines: list[str] = [""]
    pen = _Pen()
    for piece, codes in _pieces(_printed(text)):
        for number, part in enumerate(piece.split("\n")):
            if number:
                lines.append("")
            if part:
                classes = pen.classes()
                shown = escape(part, quote=False)
                lines[-1] += f'<span class="{classes}">{shown}</span>' if classes else shown
        if codes is not None:
            pen = _changed(pen, codes)
    return lines


def plain(text: str) -> str:
    """The text without any escape sequence."""
    return _SEQUENCE.sub("", _printed(text))


def _printed(text: str) -> str:
    """What is left on a line after carriage returns have written over its beginning."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Text, and the colour codes that follow it (None: no change of colour)."""
    start = 0
    for match in _SEQUENCE.finditer(text):
        yield text[start : match.start()], match[1]
        start = match.end()
    yield text[start:], None


def _changed(pen: _Pen, codes: str) -> _Pen:
    numbers = iter([int(code[:5] or 0) for code in re.split("[;:]", codes)])
    for code in numbers:
        match code:
            case 0:
                pen = _Pen()
            case 1 | 2 | 3 | 4:
                pen = replace(pen, styles=pen.styles | {code})
            case 22:
                pen = replace(pen, styles=pen.styles - {1, 2})
            case 23 | 24:
                pen = replace(pen, styles=pen.styles - {code - 20})
            case 7 | 27:
                pen = replace(pen, inverse=code == 7)
            case _:
                pen = _coloured(pen, code, numbers)
    return pen


def _coloured(pen: _Pen, code: int, rest: Iterator[int]) -> _Pen:
    if code in {38, 48}:
        colour = _extended(rest)
        return replace(pen, ink=colour) if code == 38 else replace(pen, ground=colour)
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(pen, ink=code - 30 if code < 40 else code - 82)
    if 40 <= code <= 47 or 100 <= code <= 107:
        return replace(pen, ground=code - 40 if code < 50 else code - 92)
    if code == 39:
        return replace(pen, ink=None)
    return replace(pen, ground=None) if code == 49 else pen


def _extended(rest: Iterator[int]) -> int | None:
    """One of the 16 colours that we have classes for, nearest to an 8- or 24-bit colour."""
    kind = next(rest, 0)
    if kind == 5:
        number = next(rest, 0)
        if number < 16:
            return number
        if number > 231:
            grey = 8 + (min(number, 255) - 232) * 10
            return _nearest((grey, grey, grey))
        cube = number - 16
        return _nearest((_LEVELS[cube // 36], _LEVELS[cube // 6 % 6], _LEVELS[cube % 6]))
    if kind == 2:
        return _nearest((next(rest, 0), next(rest, 0), next(rest, 0)))
    return None


def _nearest(colour: tuple[int, int, int]) -> int:
    def distance(number: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(colour, _PALETTE[number], strict=True))

    return min(range(16), key=distance)

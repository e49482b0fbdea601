"""A page's elements as a tree, and the changes that a stream's messages make to it.

This does what frontend/src/upsert.ts and htmx do in a browser, in as few lines as it takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "hr", "img", "input", "link", "meta", "path", "option"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        return self.attributes.get("id")

    @property
    def elements(self) -> list[Element]:
        return [child for child in self.children if isinstance(child, Element)]

    def find(self, wanted: str) -> Element | None:
        """The element of that id, this one or one inside."""
        return self.with_parent(wanted)[0]

    def with_parent(self, wanted: str) -> tuple[Element | None, Element | None]:
        if self.id == wanted:
            return self, None
        for child in self.elements:
            found, parent = child.with_parent(wanted)
            if found is not None:
                return found, parent or self
        return None, None

    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)

    def shown(self, depth: int = 0) -> str:
        """The tree as text, for comparing: white space between elements doesn't count."""
        pad = "  " * depth
        attributes = " ".join(
            f"{name}={value!r}" for name, value in sorted(self.attributes.items())
        )
        lines = [f"{pad}<{self.tag} {attributes}>"]
        for child in self.children:
            if isinstance(child, Element):
                lines.append(child.shown(depth + 1))
            elif child.strip():
                lines.append(f"{pad}  {child.strip()!r}")
        return "\n".join(lines)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parse(html: str) -> Element:
    """The elements of a page or fragment; raises AssertionError if they aren't well nested."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder._open == [builder.root], "an element is not closed"
    return builder.root


class Page:
    """A page in a browser that takes a stream's messages."""

    def __init__(self, html: str) -> None:
        self.root = parse(html)
        self.seq = 0
        stream = re.search(r"/stream\?after=(\d+)", html)
        if stream:
            self.seq = int(stream[1])

    def part(self, wanted: str) -> Element:
        found = self.root.find(wanted)
        assert found is not None, f"no #{wanted} on the page"
        return found

    def take(self, message: str) -> None:
        """One SSE message with its `id:` and `data:` lines."""
        fields = [line.partition(": ") for line in message.split("\n")]
        self.seq = next((int(value) for name, _, value in fields if name == "id"), self.seq)
        data = "\n".join(value for name, _, value in fields if name == "data")
        if any(name == "event" for name, _, _ in fields):
            return
        for partial in parse(data).elements:
            assert partial.tag == "hx-partial"
            self._apply(partial)

    def _apply(self, partial: Element) -> None:
        target, parent = self.root.with_parent((partial.attributes["hx-target"] or "")[1:])
        swap = (partial.attributes["hx-swap"] or "").split()
        if target is None:
            return
        match swap:
            case ["upsert", *modifiers]:
                self._upsert(target, partial.elements, prune="prune:true" in modifiers)
            case ["innerMorph"]:
                target.children = partial.children
            case ["outerHTML"]:
                assert parent is not None
                place = parent.children.index(target)
                parent.children[place : place + 1] = partial.children
            case ["delete"]:
                assert parent is not None
                parent.children.remove(target)
            case other:
                raise AssertionError(other)

    def _upsert(self, target: Element, fresh: list[Element], *, prune: bool) -> None:
        if prune:
            names = {element.id for element in fresh}
            target.children = [
                child
                for child in target.children
                if isinstance(child, str) or not _is_draft(child) or child.id in names
            ]
        for element in fresh:
            assert element.id
            old, parent = self.root.with_parent(element.id)
            if old is not None and parent is not None:
                parent.children.remove(old)
                _insert(parent, element)
            else:
                home = self.root.find(element.attributes.get("data-in") or "") or target
                _insert(home, element)


def _is_draft(element: Element) -> bool:
    return element.attributes.get("data-at") == "open"


def _place(element: Element) -> float:
    at = element.attributes.get("data-at")
    return float("inf") if at in {None, "open"} else float(at or 0)


def _insert(parent: Element, element: Element) -> None:
    if "data-at" not in element.attributes:
        # A node of a text: its number is its place.
        number = int((element.id or "-0").rsplit("-", 1)[-1])
        parent.children.insert(number, element)
        return
    siblings = parent.elements
    after = [sibling for sibling in siblings if _place(sibling) <= _place(element)]
    if after:
        parent.children.insert(parent.children.index(after[-1]) + 1, element)
    else:
        parent.children.insert(0, element)

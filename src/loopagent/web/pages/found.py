"""What searching tools have found, and what reading ones say: files, places, links, prose."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from loopagent.web.pages.markdown import markdown_nodes

_FOLDER = re.compile(r"(?:/[^\s:\"']*)?/sesn_[0-9a-z]+/workspace/")
_COUNT = re.compile(r"\AFound \d+ (?:files?|lines?|matches)[^\n]*\n?")
_LINKS = re.compile(r"Links: (\[.*?\])(?:\n|\Z)", re.DOTALL)
_PLACE = re.compile(r"\A([^\s:][^:\n]*):(\d+)[:-](.*)\Z")
_NOTHING = ("No files found", "No matches found", "No results found")


@dataclass(frozen=True, slots=True)
class Found:
    """Lines of HTML, and how many of what there are, in words."""

    form: str
    lines: Sequence[str]
    note: str


def found_by(tool: str, given: Mapping[str, Any], text: str) -> Found | None:
    """What a tool has found, where it has a form of its own."""
    match tool:
        case "Glob" | "Grep":
            return _files(given, _FOLDER.sub("", text))
        case "WebSearch":
            return _links(text)
        case "WebFetch" | "Agent" | "Task":
            return Found(
                "prose", [f'<div class="md">{node}</div>' for node in markdown_nodes(text)], ""
            )
        case _:
            return None


def _files(given: Mapping[str, Any], text: str) -> Found:
    if text.startswith(_NOTHING):
        return Found("files", [], "nothing found")
    lines = [line for line in _COUNT.sub("", text).split("\n") if line.strip()]
    if given.get("output_mode") == "content":
        return Found("places", [_place(line) for line in lines], _counted(len(lines), "line"))
    return Found("files", [escape(line) for line in lines], _counted(len(lines), "file"))


def _place(line: str) -> str:
    """A found line, its file and number set apart."""
    match = _PLACE.match(line)
    if match is None:
        return escape(line)
    name, number, rest = (escape(part) for part in match.groups())
    return f'<span class="where">{name}:{number}</span> {rest}'


def _links(text: str) -> Found | None:
    match = _LINKS.search(text)
    try:
        found = json.loads(match[1]) if match else None
    except ValueError:
        return None
    if not isinstance(found, list):
        return None
    links = [link for link in found if isinstance(link, Mapping) and link.get("url")]
    nodes = [node for link in links for node in markdown_nodes(_link(link))]
    return Found("links", nodes, _counted(len(links), "page"))


def _link(link: Mapping[str, Any]) -> str:
    """A link as Markdown, so that it is cleaned like every other."""
    url = str(link["url"]).replace("<", "%3C").replace(">", "%3E")
    title = re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(str(link.get("title") or url).split()))
    return f"[{title}](<{url}>)"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

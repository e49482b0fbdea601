"""Directives: steps written into a prompt in double brackets, e.g. `[[text: hello]]`.

    [[text: …]] [[think: …]] [[stream: 400 @ 50]] [[huge: 3000000]] [[pace: 50]] [[words: 5]]
    [[tool: Bash {"command":"ls"}]] [[parallel]] [[tools: [{"name":…,"input":…}]]]
    [[agent: prompt]] [[background: prompt]] [[ask: question | A | B]] [[recall]] [[results]]
    [[wait: 2]] [[silence: 20]] [[usage: in=10 out=5]] [[stop: max_tokens]]
    [[error: 429 retry-after=3 times=2]] [[cut: 5 times=1]] [[sse_error]] [[refuse]]

They are found in order, may be nested (a sub-agent's prompt may hold directives of its own) and
are built by the same vocabulary as script files. Double brackets with another word in front, such
as a shell's `[[ -f x ]]`, are not directives and stay text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loopagent.scripted import steps
from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Step

_OPEN = re.compile(r"\[\[\s*([a-z_]+)\s*(:|\]\])")
_OPTION = re.compile(r'(?:^|\s)([a-z][a-z_-]*)=("[^"]*"|\S+)')
_BEFORE = re.compile(r"(?:^|\s)before(?=\s|$)")
# These hold for the text that follows, as an option does for one step of a script file.
_SETTINGS = {"pace", "words"}
_NAMES = {*steps.NAMES, *_SETTINGS, "parallel"}
_VERBATIM = {"text", "think", "agent", "background", "ask"}


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive as it was written."""

    name: str
    raw: str


def find(prompt: str) -> list[Directive]:
    """Give the directives of a prompt in order; nested ones belong to the outer one's text."""
    return list(_scan(prompt))


def build(found: list[Directive], conversation: Conversation) -> list[Step]:
    """Give the steps of directives, or raise StepError naming the one that cannot be read."""
    built: list[Step] = []
    settings: dict[str, Any] = {}
    parallel = False
    for directive in found:
        if directive.name in _SETTINGS:
            settings[directive.name] = directive.raw
        elif directive.name == "parallel":
            parallel = True
        else:
            built += _build(directive, settings | {"parallel": parallel}, conversation)
            parallel = False
    return built


def _build(
    directive: Directive, settings: dict[str, Any], conversation: Conversation
) -> list[Step]:
    try:
        value, options = _read(directive)
        return steps.build(directive.name, value, settings | options, conversation)
    except ValueError as error:
        raise steps.StepError(f"[[{directive.name}: {directive.raw}]]: {error}") from error


def _scan(prompt: str) -> Iterator[Directive]:
    start = 0
    while match := _OPEN.search(prompt, start):
        start = match.end()
        name = match[1]
        if name not in _NAMES:
            start = match.start() + 2
            continue
        if match[2] == "]]":
            yield Directive(name, "")
            continue
        end = _json_end(prompt, start) if name in {"tool", "tools"} else None
        raw_end, start = end or _bracket_end(prompt, start)
        yield Directive(name, prompt[match.end() : raw_end].strip())


def _json_end(prompt: str, start: int) -> tuple[int, int] | None:
    """Where the JSON value of a tool directive ends, so that brackets inside it do not count."""
    opening = re.compile(r"[^\[\]{}]*?(?=[\[{])").match(prompt, start)
    if opening is None:
        return None
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(prompt, opening.end())
    except ValueError:
        return None
    closing = re.compile(r"\s*\]\]").match(prompt, end)
    return (end, closing.end()) if closing else None


def _bracket_end(prompt: str, start: int) -> tuple[int, int]:
    """Where the text ends and where to go on: at the matching brackets, else at the very end."""
    depth = 1
    for run in re.finditer(r"\[\[|\]{2,}", prompt[start:]):
        if run[0] == "[[":
            depth += 1
            continue
        # In a[0]]] the odd bracket belongs to the text, the last pair closes.
        closes = min(depth, len(run[0]) // 2)
        depth -= closes
        if depth == 0:
            used = len(run[0]) % 2 + 2 * closes
            return start + run.start() + used - 2, start + run.start() + used
    return len(prompt), len(prompt)


def _read(directive: Directive) -> tuple[Any, dict[str, Any]]:
    """Split what stands after the name into the value and its options."""
    name, raw = directive.name, directive.raw
    if name in _VERBATIM:
        return raw, {}
    if name == "tool":
        return _read_tool(raw), {}
    if name == "tools":
        return json.loads(raw, strict=False), {}
    options: dict[str, Any] = {key: part.strip('"') for key, part in _OPTION.findall(raw)}
    rest, before = _BEFORE.subn("", _OPTION.sub("", raw))
    if before:
        options["before"] = True
    value, _, pace = rest.partition("@")
    if pace.strip():
        options["pace"] = pace.strip()
    return value.strip(), options


def _read_tool(raw: str) -> dict[str, Any]:
    if raw.startswith("{"):
        call = json.loads(raw, strict=False)
        return call if isinstance(call, dict) else {}
    name, *given = raw.split(maxsplit=1) or [""]
    return {"name": name, "input": json.loads(given[0], strict=False) if given else {}}

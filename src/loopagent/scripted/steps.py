"""From a step's name and value to its record: the one vocabulary of directives and script files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from loopagent.scripted.request import Conversation
from loopagent.scripted.script import (
    Cut,
    Pause,
    Refuse,
    Status,
    Step,
    Stop,
    StreamError,
    Text,
    ToolCall,
    Usage,
    numbered_words,
)

Options = Mapping[str, Any]
_MAX_SECONDS = 3600.0
_MAX_DELTAS = 1_000_000
_MAX_CHARACTERS = 50_000_000
_USAGE = ("in", "out", "cache_read", "cache_write")
_PATH_TOOLS = {"Read", "Write", "Edit"}


class StepError(ValueError):
    """A step that cannot be read; the text says how to write it."""


def build(name: str, value: Any, options: Options, conversation: Conversation) -> list[Step]:
    """Give the steps that `name` with `value` stands for, or raise StepError."""
    builder = _BUILDERS.get(name)
    if builder is None:
        raise StepError(f"there is no step {name!r}; use one of: {', '.join(NAMES)}.")
    return builder(value, options, conversation)


def _number(value: Any, what: str, most: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise StepError(f"{what} must be a number, not {value!r}.") from None
    if not 0 <= number <= most:
        raise StepError(f"{what} must be between 0 and {most:g}, not {value}.")
    return number


def _count(value: Any, what: str, most: int) -> int:
    return int(_number(value, what, most))


def _times(options: Options) -> int:
    return _count(options.get("times", 0), "times", 1000)


def _optional_text(options: Options, name: str) -> str | None:
    value = options.get(name)
    return None if value is None else str(value)


def _pace(options: Options) -> float:
    return _number(options.get("pace", 0), "pace (deltas per second)", 100_000)


def _words(options: Options) -> int:
    return max(1, _count(options.get("words", 1), "words per delta", 100_000))


def _text(value: Any, options: Options, _: Conversation) -> list[Step]:
    return [Text(text=str(value or ""), pace=_pace(options), words=_words(options))]


def _think(value: Any, options: Options, _: Conversation) -> list[Step]:
    pace, words = _pace(options), _words(options)
    return [Text(text=str(value or ""), kind="thinking", pace=pace, words=words)]


def _stream(value: Any, options: Options, _: Conversation) -> list[Step]:
    count = _count(value, "the number of deltas", _MAX_DELTAS)
    return [Text(text=numbered_words(count), pace=_pace(options))]


def _huge(value: Any, options: Options, _: Conversation) -> list[Step]:
    size = _count(value, "the number of characters", _MAX_CHARACTERS)
    line = "All work and no play makes a script a dull thing to read.\n"
    text = (line * (size // len(line) + 1))[:size]
    return [Text(text=text, pace=_pace(options), chars=4096)]


def _tool(value: Any, options: Options, conversation: Conversation) -> list[Step]:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise StepError('a tool needs a name and an input, e.g. Bash {"command":"echo hi"}.')
    given = value.get("input") or {}
    if not isinstance(given, Mapping):
        raise StepError('a tool\'s input must be an object, e.g. {"command":"echo hi"}.')
    filled = {key: _fill(part, conversation) for key, part in given.items()}
    path = filled.get("file_path")
    if value["name"] in _PATH_TOOLS and isinstance(path, str):
        filled["file_path"] = conversation.path(path)
    return [ToolCall(name=value["name"], input=filled, parallel=bool(options.get("parallel")))]


def _fill(part: Any, conversation: Conversation) -> Any:
    if isinstance(part, str):
        return part.replace("{cwd}", conversation.cwd or ".")
    if isinstance(part, list):
        return [_fill(entry, conversation) for entry in part]
    if isinstance(part, Mapping):
        return {key: _fill(entry, conversation) for key, entry in part.items()}
    return part


def _tools(value: Any, options: Options, conversation: Conversation) -> list[Step]:
    if not isinstance(value, list) or not value:
        raise StepError('tools needs a list of calls, e.g. [{"name":"Bash","input":{}}].')
    steps: list[Step] = []
    for number, call in enumerate(value):
        joined = {"parallel": True if number else options.get("parallel")}
        steps += _tool(call, joined, conversation)
    return steps


def _agent(value: Any, options: Options, conversation: Conversation) -> list[Step]:
    name = "Task" if "Task" in conversation.tools and "Agent" not in conversation.tools else "Agent"
    given = {
        "description": "Scripted sub-agent",
        "prompt": str(value or ""),
        "run_in_background": False,
    }
    return [ToolCall(name=name, input=given, parallel=bool(options.get("parallel")))]


def _background(value: Any, options: Options, conversation: Conversation) -> list[Step]:
    return [
        replace(step, input={**step.input, "run_in_background": True})
        for step in _agent(value, options, conversation)
        if isinstance(step, ToolCall)
    ]


def _ask(value: Any, options: Options, _: Conversation) -> list[Step]:
    parts = value if isinstance(value, list) else str(value or "").split("|")
    question, *labels = [str(part).strip() for part in parts]
    if not question or len(labels) < 2:
        raise StepError("ask needs a question and two options: question | option A | option B.")
    choices = [{"label": label, "description": f"Choose {label}"} for label in labels]
    asked = {
        "question": question,
        "header": "Question",
        "multiSelect": bool(options.get("multi")),
        "options": choices,
    }
    return [
        ToolCall(
            name="AskUserQuestion",
            input={"questions": [asked]},
            parallel=bool(options.get("parallel")),
        )
    ]


def _error(value: Any, options: Options, _: Conversation) -> list[Step]:
    code = _count(value, "the status", 599)
    if code < 400:
        raise StepError(f"the status of an error must be 400 to 599, not {value}.")
    after = options.get("retry-after")
    wait = None if after is None else _count(after, "retry-after", 86_400)
    return [
        Status(
            code=code,
            kind=_optional_text(options, "type"),
            message=_optional_text(options, "message"),
            retry_after=wait,
            times=_times(options),
        )
    ]


def _cut(value: Any, options: Options, _: Conversation) -> list[Step]:
    after = None if value in (None, "") else _count(value, "the number of deltas", _MAX_DELTAS)
    return [Cut(after=after, times=_times(options))]


def _silence(value: Any, options: Options, _: Conversation) -> list[Step]:
    seconds = _number(value, "the seconds of silence", _MAX_SECONDS)
    return [Pause(seconds=seconds, before=bool(options.get("before")), times=_times(options))]


def _wait(value: Any, options: Options, _: Conversation) -> list[Step]:
    seconds = _number(value, "the seconds to wait", _MAX_SECONDS)
    return [Pause(seconds=seconds, before=True, times=_times(options))]


def _refuse(_value: Any, options: Options, _: Conversation) -> list[Step]:
    return [Refuse(times=_times(options))]


def _sse_error(value: Any, options: Options, _: Conversation) -> list[Step]:
    return [StreamError(kind=str(value or "overloaded_error"), times=_times(options))]


def _usage(value: Any, options: Options, _: Conversation) -> list[Step]:
    # A script file gives them as the value, a directive as its options.
    given = value if isinstance(value, Mapping) else options
    numbers = {key: _count(given[key], f"usage {key}", 10**9) for key in _USAGE if key in given}
    if not numbers:
        raise StepError("usage needs in, out, cache_read or cache_write, e.g. in=1000 out=500.")
    return [
        Usage(
            input=numbers.get("in"),
            output=numbers.get("out"),
            cache_read=numbers.get("cache_read", 0),
            cache_write=numbers.get("cache_write", 0),
        )
    ]


def _stop(value: Any, _options: Options, _: Conversation) -> list[Step]:
    return [Stop(reason=str(value or "end_turn"))]


def _recall(_value: Any, options: Options, conversation: Conversation) -> list[Step]:
    listed = [f"{n}. {text}" for n, text in enumerate(conversation.earlier, start=1)]
    text = "\n".join(listed) or "Nothing was asked before this."
    return [Text(text=text, pace=_pace(options), words=_words(options))]


def _results(_value: Any, options: Options, conversation: Conversation) -> list[Step]:
    return [Text(text=results_text(conversation), pace=_pace(options), words=_words(options))]


def results_text(conversation: Conversation) -> str:
    """Say what each tool call since the prompt gave, each on a line of its own."""
    lines = []
    for result in conversation.results:
        mark = " (error)" if result.is_error else ""
        short = result.text if len(result.text) <= 300 else f"{result.text[:300]}…"
        lines.append(f"- {result.name}{mark}: {short}")
    return "\n".join(["Done.", "", *lines]) if lines else "Done."


_Builder = Callable[[Any, Options, Conversation], list[Step]]
_BUILDERS: dict[str, _Builder] = {
    "text": _text,
    "think": _think,
    "stream": _stream,
    "huge": _huge,
    "tool": _tool,
    "tools": _tools,
    "agent": _agent,
    "background": _background,
    "ask": _ask,
    "error": _error,
    "cut": _cut,
    "silence": _silence,
    "wait": _wait,
    "refuse": _refuse,
    "sse_error": _sse_error,
    "usage": _usage,
    "stop": _stop,
    "recall": _recall,
    "results": _results,
}
NAMES = tuple(_BUILDERS)

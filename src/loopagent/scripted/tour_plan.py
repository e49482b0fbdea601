"""The tour's third chapter: a plan as a task list, worked through with real files."""

from __future__ import annotations

import re

from loopagent.scripted.narration import fenced, lacking, refused, say, stopped
from loopagent.scripted.request import Conversation, ToolResult
from loopagent.scripted.script import Round, ToolCall

PROMPT = "Make a plan as a task list and work through it"

_DATA = "celsius.csv"
_PROGRAM = "fahrenheit.py"
_TABLE = "fahrenheit.md"
_DATA_TEXT = "place,celsius\nOslo,4\nLisbon,17\nNairobi,24\nDelhi,31\n"
_PROGRAM_TEXT = f'''"""Turns {_DATA} into a table with degrees Fahrenheit."""

import csv

with open("{_DATA}", newline="") as source, open("{_TABLE}", "w") as target:
    target.write("| place | °C | °F |\\n|---|---|---|\\n")
    for row in csv.DictReader(source):
        celsius = float(row["celsius"])
        target.write(f"| {{row['place']}} | {{celsius:g}} | {{celsius * 9 / 5 + 32:g}} |\\n")
'''
_RUN = f"python3 {_PROGRAM} && cat {_TABLE}"
_TASKS = (
    ("Collect the numbers", f"Write {_DATA} with four places and their temperatures."),
    ("Write the converter", f"Write {_PROGRAM}, which makes {_TABLE} of it."),
    ("Run it and check the table", "Run the converter and read what it wrote."),
)
_LIST_TOOLS = {"TaskCreate", "TaskUpdate"}


def reply(conversation: Conversation) -> Round:
    """Give the next round, as the tools' real answers call for."""
    if result := refused(conversation):
        return stopped(result, _so_far(conversation))
    tasks = _task_ids(conversation)
    run = conversation.result("Bash", _RUN)
    if run:
        return _check(conversation, tasks, run)
    if conversation.result("Write", _PROGRAM):
        return say(
            "Now it can run:",
            *_progress(tasks, done=1),
            ToolCall(name="Bash", input={"command": _RUN, "description": "Convert and show"}),
        )
    if conversation.result("Write", _DATA):
        return say(
            "The numbers are there; next the converter:",
            *_progress(tasks, done=0),
            _write(conversation, _PROGRAM, _PROGRAM_TEXT),
        )
    if conversation.round == 0:
        return lacking(conversation, {"Write", "Bash"}) or _begin(conversation)
    return say(
        "The plan stands. I take the first task:",
        *_progress(tasks, done=-1),
        _write(conversation, _DATA, _DATA_TEXT),
    )


def _begin(conversation: Conversation) -> Round:
    thought = "Three tasks that build on each other: data, program, result. One after the other."
    said = "I plan a small job, three tasks that I then work through. (Scripted, but real files.)"
    if conversation.tools and not conversation.tools >= _LIST_TOOLS:
        listed = "\n".join(f"- [ ] {subject}" for subject, _ in _TASKS)
        return say(
            f"{said} This session has no task list, so I keep it here:\n\n{listed}",
            _write(conversation, _DATA, _DATA_TEXT),
            thought=thought,
        )
    calls = (
        ToolCall(name="TaskCreate", input={"subject": subject, "description": text})
        for subject, text in _TASKS
    )
    return say(said, *calls, thought=thought)


def _task_ids(conversation: Conversation) -> list[str]:
    """The ids that the task list gave, in order; empty when they cannot be read."""
    made = [r.text for r in conversation.results if r.name == "TaskCreate" and not r.is_error]
    found = [re.search(r"#(\d+)", text) for text in made]
    return [match[1] for match in found if match]


def _progress(tasks: list[str], *, done: int) -> list[ToolCall]:
    """Tick off task number `done` and take up the next one."""
    calls = []
    for number, status in ((done, "completed"), (done + 1, "in_progress")):
        if 0 <= number < len(tasks):
            given = {"taskId": tasks[number], "status": status}
            calls.append(ToolCall(name="TaskUpdate", input=given))
    return calls


def _check(conversation: Conversation, tasks: list[str], run: ToolResult) -> Round:
    if run.is_error or "Nairobi | 24 | 75.2" not in run.text:
        return say(
            f"The table is not what I expected:\n\n{fenced(run.text)}\n\n"
            "The last task stays open. Is `python3` installed on this machine?"
        )
    last = tasks[2:3]
    ticked = any(
        r.input.get("taskId") in last and r.input.get("status") == "completed"
        for r in conversation.results
    )
    if last and not ticked:
        return say("24 °C are 75.2 °F: the table is right.", *_progress(tasks, done=2))
    listed = "\n".join(f"- [x] {subject}" for subject, _ in _TASKS)
    return say(
        f"## Done\n\n{listed}\n\nThis is `{_TABLE}`, as the program wrote it:\n\n{run.text}\n\n"
        f"The workspace now has `{_DATA}`, `{_PROGRAM}` and `{_TABLE}`. Every word of this was "
        "scripted; the files and the task list are real."
    )


def _so_far(conversation: Conversation) -> str:
    written = [r for r in conversation.results if r.name == "Write" and not r.is_error]
    return f"{len(written)} of 2 files are written, the table is not."


def _write(conversation: Conversation, name: str, content: str) -> ToolCall:
    return ToolCall(name="Write", input={"file_path": conversation.path(name), "content": content})

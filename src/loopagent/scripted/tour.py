"""The tour: what a person without a key sees.

It says plainly that it is scripted, offers three prompts, and does real work on them with real
tools. Each chapter is a pure function of the conversation: what the tools really answered decides
what comes next.
"""

from __future__ import annotations

import re

from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Round, Text

SUGGESTED_PROMPTS: tuple[str, ...] = (
    "Write a small program and test it",
    "Look around this workspace",
    "Make a plan as a task list and work through it",
)
PACE = 60.0

_GREETING = re.compile(
    r"(hi|hello|hey|hallo|help|start|test|tour|demo|who are you|what can you do|what is this)?"
)


def reply(conversation: Conversation) -> Round | None:
    """Give the tour's next round for a prompt that it knows, else None."""
    said = re.sub(r"[^a-z ]+", "", conversation.prompt.lower()).strip()
    if _GREETING.fullmatch(said):
        return say(_greeting())
    return None


def plain(conversation: Conversation) -> Round:
    """Answer a prompt that no script knows."""
    asked = " ".join(conversation.prompt.split())
    short = asked if len(asked) <= 120 else f"{asked[:120]}…"
    return say(
        "I am the built-in scripted model: no Claude is behind me, so I can only echo you.\n\n"
        f"> {short}\n\n"
        f"What I do know are these prompts:\n\n{_offers()}\n\n"
        "With an Anthropic API key in `ANTHROPIC_API_KEY`, Claude itself answers here."
    )


def say(text: str, *, thought: str = "") -> Round:
    """A round of text at the tour's pace, with a thought before it if there is one."""
    steps = [Text(text=text, pace=PACE)]
    if thought:
        steps.insert(0, Text(text=thought, kind="thinking", pace=PACE))
    return Round(steps=tuple(steps))


def _greeting() -> str:
    return (
        "Hello! I am the **built-in scripted model** of Loop Agent. No Claude is behind me: "
        "I follow a script. All around me is real, though: the session and its log, the Claude "
        "Agent SDK and its command line, the tools, the approvals and this live stream.\n\n"
        f"Try one of these:\n\n{_offers()}\n\n"
        "With an Anthropic API key in `ANTHROPIC_API_KEY`, Claude itself answers here."
    )


def _offers() -> str:
    return "\n".join(f"- {prompt}" for prompt in SUGGESTED_PROMPTS)

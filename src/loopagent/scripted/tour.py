"""The tour: what a person without a key sees.

It says plainly that it is scripted, offers three prompts, and does real work on them with real
tools. Each chapter is a pure function of the conversation: what the tools really answered decides
what comes next.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from loopagent.scripted import tour_plan, tour_program, tour_workspace
from loopagent.scripted.narration import say
from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Round

_CHAPTERS: tuple[tuple[str, Callable[[Conversation], Round]], ...] = (
    (tour_program.PROMPT, tour_program.reply),
    (tour_workspace.PROMPT, tour_workspace.reply),
    (tour_plan.PROMPT, tour_plan.reply),
)
SUGGESTED_PROMPTS: tuple[str, ...] = tuple(prompt for prompt, _ in _CHAPTERS)

_GREETING = re.compile(
    r"((hi|hello|hey|good (morning|evening|day))( there| claude)?"
    r"|help( me)?|start|test|tour|demo|who are you|what (can you do|is this))?"
)


def reply(conversation: Conversation) -> Round | None:
    """Give the tour's next round for a prompt that it knows, else None."""
    said = _bare(conversation.prompt)
    for number, (prompt, chapter) in enumerate(_CHAPTERS, start=1):
        if said in {_bare(prompt), str(number)}:
            return chapter(conversation)
    return say(_greeting()) if _GREETING.fullmatch(said) else None


def plain(conversation: Conversation) -> Round:
    """Answer a prompt that no script knows."""
    asked = " ".join(conversation.prompt.split())
    short = asked if len(asked) <= 120 else f"{asked[:120]}…"
    return say(
        "I am the **built-in scripted model**: no Claude is behind me, so this I can only echo:"
        f"\n\n> {short}\n\nWhat I can do is one of these:\n\n{_offers()}\n\n{_KEY}"
    )


_KEY = "With an Anthropic API key in `ANTHROPIC_API_KEY`, Claude itself answers here."


def _greeting() -> str:
    return (
        "Hello! I am the **built-in scripted model** of Loop Agent. No Claude is behind me: "
        "I follow a script. All around me is real, though: the session and its log, the Claude "
        "Agent SDK and its command line, the tools, the approvals and this live stream.\n\n"
        f"Send me one of these, or its number:\n\n{_offers()}\n\n{_KEY}"
    )


def _offers() -> str:
    return "\n".join(f"{n}. {prompt}" for n, prompt in enumerate(SUGGESTED_PROMPTS, start=1))


def _bare(text: str) -> str:
    """The words alone, so that a full stop or a capital makes no difference."""
    return " ".join(re.sub(r"[^\w\s]+", " ", text.lower()).split())

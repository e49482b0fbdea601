"""Choosing the round that answers a request.

In this order: what the CLI asks on its own account, the script file, directives in the prompt,
the tour, a plain answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopagent.scripted import directives, side, tour
from loopagent.scripted.narration import PACE, say
from loopagent.scripted.request import Conversation
from loopagent.scripted.rules import Rule
from loopagent.scripted.script import Round, Step, Text, split_rounds
from loopagent.scripted.steps import StepError, results_text


def choose(conversation: Conversation, rules: Sequence[Rule] = ()) -> Round:
    """Give the round that answers a conversation; an unreadable directive is answered in words."""
    if answer := side.reply(conversation):
        return answer
    try:
        steps = _script(conversation, rules)
    except StepError as error:
        return say(f"I cannot follow this directive. {error}")
    if steps:
        due = pick(steps, conversation)
    elif conversation.notice:
        due = say(f"I am told that a background task has ended:\n\n{_notice(conversation)}")
    else:
        due = tour.reply(conversation) or tour.plain(conversation)
    return _acknowledge(due, conversation)


def pick(steps: Sequence[Step], conversation: Conversation) -> Round:
    """Give the round of a script that is due, and a closing word when it has come to its end."""
    closing = Text(text=_notice(conversation) or results_text(conversation))
    rounds = split_rounds(steps, closing)
    if conversation.round < len(rounds):
        return rounds[conversation.round]
    return Round(steps=(closing,))


def _script(conversation: Conversation, rules: Sequence[Rule]) -> Sequence[Step]:
    for rule in rules:
        if rule.fits(conversation):
            return rule.steps(conversation)
    return directives.build(directives.find(conversation.prompt), conversation)


def _notice(conversation: Conversation) -> str:
    """What a background task's end says, in its own words."""
    parts = [
        text.strip()
        for tag in ("summary", "result")
        if (text := conversation.notice.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0])
    ]
    return "\n\n".join(parts)


def _acknowledge(due: Round, conversation: Conversation) -> Round:
    """Show that words sent in mid-turn were seen; the script itself goes on."""
    if not conversation.steer or conversation.steer == conversation.prompt:
        return due
    words = f"I see your new message: “{conversation.steer}”. My script goes on all the same.\n\n"
    return replace(due, steps=(Text(text=words, pace=PACE), *due.steps))

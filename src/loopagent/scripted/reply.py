"""Choosing the round that answers a request: script file, directives, tour, plain answer."""

from __future__ import annotations

from collections.abc import Sequence

from loopagent.scripted import directives, tour
from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Round, Step, Text, split_rounds
from loopagent.scripted.steps import StepError, results_text


def choose(conversation: Conversation) -> Round:
    """Give the round that answers a conversation; an unreadable directive is answered in words."""
    found = directives.find(conversation.prompt)
    if found:
        try:
            return pick(directives.build(found, conversation), conversation)
        except StepError as error:
            return tour.say(f"I cannot follow this directive. {error}")
    return tour.reply(conversation) or tour.plain(conversation)


def pick(steps: Sequence[Step], conversation: Conversation) -> Round:
    """Give the round of a script that is due, and a closing word when it has come to its end."""
    closing = Text(text=results_text(conversation))
    rounds = split_rounds(steps, closing)
    if conversation.round < len(rounds):
        return rounds[conversation.round]
    return Round(steps=(closing,))

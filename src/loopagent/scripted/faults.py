"""Which faults a request still gets: some are shown a number of times and then go away.

The count is the only thing that the scripted model remembers. It is kept per session and prompt,
bounded, and lost with the process: a fault then shows again, which hurts nobody.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Cut, Fault, Refuse, Round, Status, Step, StreamError

_MAX_KEYS = 1000


class Faults:
    """Counts the faults already shown."""

    def __init__(self) -> None:
        self._shown: OrderedDict[tuple[object, ...], int] = OrderedDict()

    def left(self, due: Round, conversation: Conversation, *, streamed: bool) -> Round:
        """Give the round without the faults that do not strike this request.

        Those of a stream strike streamed requests only: the CLI asks once more without streaming
        when its stream was cut, and the real API then answers.
        """
        key = (conversation.session, conversation.position, conversation.prompt)
        steps: list[Step] = []
        for number, step in enumerate(due.steps):
            if isinstance(step, Cut | StreamError) and not streamed:
                continue
            if isinstance(step, Fault) and step.times:
                place = (*key, conversation.round, number)
                if self._count(place) > step.times:
                    continue
            steps.append(step)
            if isinstance(step, Status | Refuse):
                # Nothing after it is reached, so nothing after it is counted.
                break
        return replace(due, steps=tuple(steps))

    def _count(self, key: tuple[object, ...]) -> int:
        """Count this request and give its number."""
        number = self._shown.pop(key, 0) + 1
        self._shown[key] = number
        if len(self._shown) > _MAX_KEYS:
            self._shown.popitem(last=False)
        return number

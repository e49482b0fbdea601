"""Messages for the turn under way: handed to the CLI, which takes them at its next tool call."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import anyio
from claude_agent_sdk import Message, ResultMessage, UserMessage

from loopagent.agent.control import Control
from loopagent.agent.ports import Port, Prompt
from loopagent.agent.transcript import open_record
from loopagent.domain.ids import EventId, prompt_uuid

Order = Callable[[Callable[[], Awaitable[None]]], None]


class Steering:
    """What the CLI of one process holds of them. order: has something done by the runner's task.

    The CLI knows a prompt again by its uuid, save those that it has taken in mid-turn in a process
    before: these are looked up in its record of the conversation, so that none is told twice.
    """

    def __init__(self, port: Port, control: Control, order: Order, transcript: Path) -> None:
        self._port = port
        self._control = control
        self._order = order
        self._transcript = transcript
        self._held: dict[str, EventId] = {}
        self._known: set[str] | None = None
        self._is_ordered = False
        # A message that is being handed over can't be withdrawn in the same moment.
        self._lock = anyio.Lock()

    def holds(self, prompt: Prompt) -> bool:
        """Whether the CLI has this prompt already, and will go on with it by itself."""
        return prompt_uuid(prompt.event_id) in self._held

    def call(self) -> None:
        """Some are waiting: hand them over soon."""
        if not self._is_ordered:
            self._is_ordered = True
            self._order(self.hand_over)

    async def hand_over(self) -> None:
        """Give the CLI all that wait."""
        self._is_ordered = False
        async with self._lock:
            steers = await self._port.steers(with_logged=self._known is None)
            if self._known is None:
                self._known = set()
                if steers:
                    path = self._transcript
                    self._known = await anyio.to_thread.run_sync(taken_in_mid_turn, path)
            for steer in steers:
                uuid = prompt_uuid(steer.prompt.event_id)
                if uuid in self._known:
                    await self._port.taken(steer.prompt.event_id)
                elif uuid not in self._held:
                    self._held[uuid] = steer.prompt.event_id
                    await self._control.query(steer.prompt, priority="next")

    async def note(self, message: Message) -> None:
        """Put those that the CLI says it has taken into the log."""
        match message:
            case UserMessage() if message.uuid is not None:
                await self._taken([message.uuid])
            case ResultMessage():
                await self._taken(message.user_message_uuids or ())
            case _:
                pass

    async def withdraw(self, event_id: EventId) -> bool:
        """Take one back; False if the model has it already."""
        async with self._lock:
            uuid = prompt_uuid(event_id)
            if uuid not in self._held:
                return True
            withdrawn = await self._control.cancel_message(uuid)
            if withdrawn:
                self._held.pop(uuid, None)
            return withdrawn

    async def _taken(self, uuids: Iterable[str]) -> None:
        for uuid in uuids:
            event_id = self._held.pop(uuid, None)
            if event_id is not None:
                await self._port.taken(event_id)


def taken_in_mid_turn(transcript: Path) -> set[str]:
    """The uuids of prompts that the CLI has taken into a turn under way, by its own record."""
    found = set()
    with contextlib.suppress(FileNotFoundError), open_record(transcript, "rb") as lines:
        for line in lines:
            if b'"queued_command"' in line:
                # The last line may be half of one: its writer was killed.
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    found.add(str(json.loads(line)["attachment"]["source_uuid"]))
    return found

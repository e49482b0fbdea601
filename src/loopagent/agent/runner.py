"""One session's agent process, from connect to disconnect.

One task owns the SDK client. It reads the client's messages for as long as the process lives,
since turns may start by themselves; prompts and interrupts come through an inbox.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    Message,
    ResultMessage,
)

from loopagent.agent import endings, failures
from loopagent.agent.approvals import Approvals
from loopagent.agent.control import Control
from loopagent.agent.judge import Judge, ResolvePath
from loopagent.agent.options import build_options
from loopagent.agent.ports import Port, Prompt, RunPlan, Verdict
from loopagent.agent.repeats import Repeats
from loopagent.agent.steering import Steering
from loopagent.agent.steps import Emit, carry_out, emitted
from loopagent.agent.translate import Translator
from loopagent.agent.turn import Turn, is_asking
from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.permissions import Decision
from loopagent.errors import AgentError, WorkspaceGoneError

log = logging.getLogger(__name__)

_INBOX = 64  # commands that may wait; a person doesn't send more before the runner takes them
_STDERR_LINES = 40
_TICK = 0.25  # seconds between looks at the limits


class Runner:
    """Runs one process of a session until `close`, or until the process ends by itself."""

    def __init__(self, plan: RunPlan, port: Port, resolve_path: ResolvePath) -> None:
        self._plan = plan
        self._port = port
        self._rulings = Judge(plan.grounds, resolve_path)
        self._preface = plan.preface
        repeats = Repeats(plan.done)
        self._translator = Translator(self._judge, plan.recovery, repeats)
        event_of = self._translator.event_of
        self._approvals = Approvals(self._judge, event_of, port.waiting, repeats)
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._send, self._inbox = anyio.create_memory_object_stream[Callable[[], Any]](_INBOX)
        options = build_options(
            plan,
            can_use_tool=self._approvals.can_use_tool,
            pre_tool_use=self._approvals.pre_tool_use,
            stderr=self._stderr.append,
        )
        self._client = ClaudeSDKClient(options)
        self._control = Control(self._client)
        self.steering = Steering(port, self._control, self._order, plan.transcript)
        self._scope = anyio.CancelScope()
        self.connected = anyio.Event()
        self.turn: Turn | None = None
        self.refused: EventId | None = None  # the prompt that the model's API did not take
        self.following: Prompt | None = None  # the next one, which then needs a new process
        self.last_used = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """True while a turn is under way."""
        return self.turn is not None

    @property
    def waiting_since(self) -> float | None:
        """When the turn's only call under way began to wait for an answer; else None.

        Such a process can be ended without loss: a later one asks about the very same call.
        """
        alone = self._translator.open_calls == 1 and not self.tasks
        return self._approvals.waiting_since if alone else None

    @property
    def tasks(self) -> int:
        """How many sub-agents and background commands run."""
        return len(self._translator.tasks.running)

    @property
    def is_closing(self) -> bool:
        """True once the process is about to end; it takes no more prompts."""
        return self._scope.cancel_called

    # -- what others may ask of a runner ----------------------------------------------------

    def prompt(self, prompt: Prompt) -> None:
        """Give the model a message; its turn begins."""
        self.turn = Turn(prompt)
        self.last_used = time.monotonic()
        self._order(lambda: self._query(prompt))

    def interrupt(self) -> None:
        """Stop the turn that is under way; nothing happens if there is none."""
        if self.turn is not None and not self.turn.stops.have_begun:
            self.turn.interrupted = True
            self.turn.stops.take()
            self._order(self._control.interrupt)

    def fail(self, error: AgentError) -> None:
        """Stop the turn that is under way, with its reason; nothing happens if there is none."""
        if self.turn is not None:
            self.turn.error = error
            self.interrupt()

    def answer(self, event_id: EventId, verdict: Verdict) -> None:
        """Give the answer to an ask."""
        if self.turn is not None:
            self.turn.heard()
        self._rulings.learn(verdict.rules)
        self._approvals.answer(event_id, verdict)

    @property
    def control(self) -> Control:
        """For requests that have nothing to do with the turn."""
        return self._control

    def set_model(self, model: str) -> None:
        """Use another model from the next request on."""
        self._order(lambda: self._control.set_model(model))

    def close(self) -> None:
        """End the process; `run` returns soon after."""
        self._scope.cancel()

    def _order(self, command: Callable[[], Any]) -> None:
        # A process that has just ended takes no orders: what its turn needs is done again.
        with contextlib.suppress(anyio.ClosedResourceError):
            self._send.send_nowait(command)

    # -- the one task -----------------------------------------------------------------------

    async def run(self) -> None:
        """Connect and serve. Returns after `close`; raises AgentError if the process fails."""
        try:
            with self._scope:
                if self._plan.recovery is not None:
                    for step in self._translator.catch_up(self._plan.recovery):
                        await carry_out(step, self._port)
                baseline = await self._control.connect()
                self.connected.set()
                self.last_used = time.monotonic()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._serve_inbox, name="inbox")
                    tasks.start_soon(self._watch, name="watch")
                    await self._pump(baseline)
                    if self.turn is not None and self.turn.stops.is_forced:
                        await self._give_up(self.turn)
                    tasks.cancel_scope.cancel()
        except Exception as error:  # the runner's border: whatever fails becomes one AgentError
            if self.turn is not None and self.turn.stops.is_forced:
                await self._give_up(self.turn)
                return
            resuming = self._plan.resume and not self.connected.is_set()
            stderr = "\n".join(self._stderr)
            raise failures.from_exception(error, stderr, resuming=resuming) from error
        finally:
            self.close()  # a prompt that comes now gets a process of its own
            self._send.close()
            self._inbox.close()
            with anyio.CancelScope(shield=True):
                await self._control.end(at_work=self.is_busy or self.tasks > 0)

    async def _serve_inbox(self) -> None:
        async for command in self._inbox:
            await command()

    async def _query(self, prompt: Prompt) -> None:
        if self._preface is not None:
            prompt = replace(prompt, content=[e.text_block(self._preface), *prompt.content])
            self._preface = None
            await self._port.emit([failures.failure(failures.record_lost())])
        # The process would go on in a folder that nobody else can see.
        if not self._plan.cwd.is_dir():
            raise WorkspaceGoneError
        self._rulings.follow(await self._port.rules())
        if not self.steering.holds(prompt):
            await self._control.query(prompt)
        await self.steering.hand_over()

    # -- messages ---------------------------------------------------------------------------

    async def _pump(self, total_cost: float) -> None:
        async for message in self._client.receive_messages():
            await self._note(message)
            for step in self._translator.read(message):
                await carry_out(step, self._port)
            if isinstance(message, AssistantMessage):
                self._approvals.wake()
            if isinstance(message, ResultMessage):
                # The CLI reports running totals; a turn's cost is the difference.
                total = message.total_cost_usd
                total = total if total is not None else total_cost
                if self.turn is None or self.turn.is_ended_by(message):
                    await self._end_turn(message, max(0.0, total - total_cost))
                    total_cost = total
            elif failures.is_rejected_key(message):
                self.interrupt()

    async def _note(self, message: Message) -> None:
        if self.turn is None and is_asking(message):
            # Nobody sent a message: a background task has ended, and the model is told.
            self.turn = Turn(None)
            await self._port.emit([e.SessionStatusRunning(loop={"origin": "task"})])
        if self.turn is not None:
            self.turn.note(message)
        await self.steering.note(message)

    async def _end_turn(self, message: ResultMessage, cost: float) -> None:
        word = self._translator.error_word
        steps = list(self._translator.turn_ended())
        turn = self.turn
        if turn is None and not steps and not message.num_turns:
            return  # a local command's result: no turn of ours
        for step in steps:
            if not isinstance(step, Emit):
                await carry_out(step, self._port)
        events = emitted(steps)
        if limited := endings.limit(message, word, turn):
            await self._port.emit(events)
            raise limited
        if turn is not None and failures.is_refused(message, word):
            # What the API refuses is in the memory of this process: the next one goes without it.
            self.refused = turn.event_id
        events += endings.of_result(message, word, turn, cost)
        await self._finish(events)

    async def _finish(self, events: list[e.Event]) -> None:
        events = endings.with_stops(events, self.turn)
        self.turn = None
        self.last_used = time.monotonic()
        following = await self._port.ended(events)
        if self.refused is not None:
            self.following = following
            self._scope.cancel()
        elif following is not None:
            self.prompt(following)

    # -- limits -----------------------------------------------------------------------------

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(_TICK)
            turn = self.turn
            due = turn.due(self._plan, is_asking=self._approvals.open > 0) if turn else None
            if isinstance(due, AgentError):
                self.fail(due)
            elif due == "answered":
                ending = [*emitted(self._translator.turn_ended()), endings.idle("end_turn", {})]
                await self._finish(ending)
            elif due == "force" and turn is not None:
                await self._force(turn, turn.stops.take())

    async def _force(self, turn: Turn, step: str) -> None:
        """What was done to stop the turn had no effect: end its process."""
        await self._port.emit([e.Stopping(step=step)])
        if step == "terminate":
            self._control.signal(signal.SIGTERM)
        else:
            await self._give_up(turn)

    async def _give_up(self, turn: Turn) -> None:
        """End the turn in the log, and the process with it."""
        self._port.close_draft()
        # The process goes before the next message is taken: it gets a process of its own.
        self._control.signal(signal.SIGKILL)
        self.turn = None
        events = [*emitted(self._translator.turn_ended()), *endings.given_up(turn)]
        await self._port.emit(endings.with_stops(events, turn))
        self._scope.cancel()

    # -- decisions --------------------------------------------------------------------------

    def _judge(self, tool: str, tool_input: Mapping[str, Any]) -> Decision:
        if self.turn is not None:
            self.turn.began = True
        return self._rulings.decide(tool, tool_input)

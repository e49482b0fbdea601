"""The fold of a session's log into the blocks that a reader sees.

Owns which event makes, changes or ends which block. Folding a log in any split gives the same
blocks, whether or not drafts came in between: pages, fragments and streams all show this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.web.pages import blocks as b
from loopagent.web.pages import outcomes, stops
from loopagent.web.pages.silence import is_silent
from loopagent.web.pages.todo import TodoList


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new since the last look: blocks to put in or change, and drafts that are gone."""

    blocks: Sequence[b.Block]
    gone: Sequence[EventId]


class Transcript:
    """Blocks in the order of their first event; drafts last."""

    def __init__(self) -> None:
        self._blocks: dict[EventId, b.Block] = {}
        self._children: dict[EventId, list[EventId]] = {}
        self._calls: dict[str, EventId] = {}  # the model's id of a tool call -> its event
        self._pending: set[EventId] = set()  # tool calls without a result
        self._draft: EventId | None = None
        self._waits: EventId | None = None  # the error or pause that still counts down
        self._failed: EventId | None = None  # what went wrong in this turn
        self._open: EventId | None = None  # the end of a turn that may go on
        self._stop: EventId | None = None  # what tells of a stop while it lasts
        self._todo = TodoList()
        self._rests = False
        self._changed: dict[EventId, None] = {}
        self._gone: list[EventId] = []
        self.seq = 0

    # -- folding -----------------------------------------------------------------------------

    def apply(self, event: e.Event) -> EventId | None:
        """Fold one event; gives the tool call that it belongs to if that isn't known here."""
        self.seq = max(self.seq, event.seq or 0)
        self._settle(event)
        match event:
            case e.AgentToolResult() | e.AgentMcpToolResult() | e.UserToolConfirmation():
                return self.complete(event)
            case e.AgentToolUse() | e.AgentMcpToolUse():
                self._call(event)
            case e.SessionError():
                self._error(event)
            case e.SessionStatusIdle():
                self._idle(event)
            case e.SessionStatusRescheduled():
                self._waits = event.id
                self._put(stops.pause_block(event))
            case e.TaskEnded():
                self._end_task(event)
            case e.TaskStarted():
                self._start_task(event)
            case e.SessionStatusRunning() | e.UserInterrupt() | e.Stopping():
                self._show_stop(event)
            case _:
                if not is_silent(event):
                    self._put(b.block_of(event, self._parent(event)))
        return None

    def complete(self, event: e.Event) -> EventId | None:
        """Fold an event only as far as it answers or ends tool calls that are known here."""
        match event:
            case e.AgentToolResult() | e.UserToolConfirmation():
                call = event.tool_use_id
            case e.AgentMcpToolResult():
                call = event.mcp_tool_use_id
            case e.SessionStatusIdle() if event.stop_reason.type != "requires_action":
                self._end_tools()
                return None
            case _:
                return None
        block = self._blocks.get(call)
        if not isinstance(block, b.ToolBlock):
            return call
        if isinstance(event, e.UserToolConfirmation):
            self._put(
                replace(block, answer=outcomes.answer_of(event), last=event.seq or block.last)
            )
        else:
            self._pending.discard(call)
            self._put(self._listed(b.with_result(block, event)))
        return None

    def close(self) -> None:
        """This is an earlier part of a transcript: none of its turns may go on."""
        self._set_open(None, None)

    def start_draft(self, event_id: EventId, kind: str) -> None:
        """A text begins to be written; the one before it, if unfinished, won't come any more."""
        if event_id == self._draft:
            return
        self.drop_draft()
        if event_id in self._blocks:
            return
        make = b.ThinkingBlock if kind == "agent.thinking" else b.TextBlock
        self._draft = event_id
        self._put(make(id=event_id, first=0, last=0, text="", open=True))

    def extend_draft(self, event_id: EventId, offset: int, text: str) -> None:
        """More of the text; what is known already (below `offset`) is not added twice."""
        block = self._blocks.get(event_id)
        if isinstance(block, b.TextBlock | b.ThinkingBlock) and block.open:
            self._put(replace(block, text=block.text[:offset] + text))

    def drop_draft(self) -> None:
        """Forget a text that was never finished."""
        draft, self._draft = self._draft, None
        if draft is not None and self._blocks[draft].first == 0:
            del self._blocks[draft]
            self._changed.pop(draft, None)
            self._gone.append(draft)

    # -- looking -----------------------------------------------------------------------------

    @property
    def pending(self) -> frozenset[EventId]:
        """Tool calls that have neither result nor end."""
        return frozenset(self._pending)

    def top(self) -> list[b.Block]:
        """All blocks that belong to no sub-agent, oldest first, drafts last."""
        top = [block for block in self._blocks.values() if self._parent_block(block) is None]
        top.sort(key=lambda block: block.first or 1 << 60)
        return [self._whole(block) for block in top]

    def since(self, seq: int) -> list[b.Block]:
        """Blocks that changed after `seq`, and drafts; parents come whole, without double."""
        ids = [block.id for block in self._blocks.values() if block.last > seq or not block.first]
        return self._outermost(ids)

    def take_changes(self) -> Changes:
        """What changed since the last call."""
        changed, self._changed = self._changed, {}
        gone, self._gone = self._gone, []
        return Changes(self._outermost(changed), gone)

    def prune(self, keep: int) -> int:
        """Forget the oldest finished blocks; gives the seq of the oldest event that is left."""
        spare = len(self._blocks) - keep
        for block in sorted(self._blocks.values(), key=lambda block: block.first or 1 << 60):
            if spare <= 0 or block.id in self._pending or not block.first:
                break
            del self._blocks[block.id]
            self._children.pop(block.id, None)
            spare -= 1
        return min((block.first for block in self._blocks.values() if block.first), default=0)

    # -- parts -------------------------------------------------------------------------------

    def _put(self, block: b.Block) -> None:
        if block.id not in self._blocks and block.parent is not None:
            self._children.setdefault(block.parent, []).append(block.id)
        if block.id == self._draft and block.first:
            self._draft = None
        self._blocks[block.id] = block
        self._changed[block.id] = None

    def _outermost(self, ids: Iterable[EventId]) -> list[b.Block]:
        """The blocks of `ids`, whole; a child only where its parent isn't among them."""
        wanted = dict.fromkeys(ids)
        found = [self._blocks[name] for name in wanted if name in self._blocks]
        inner = [block for block in found if block.parent not in wanted]
        inner.sort(key=lambda block: block.first or 1 << 60)
        return [self._whole(block) for block in inner]

    def _whole(self, block: b.Block) -> b.Block:
        children = self._children.get(block.id)
        if not children or not isinstance(block, b.ToolBlock):
            return block
        known = [self._blocks[name] for name in children if name in self._blocks]
        known.sort(key=lambda child: child.first or 1 << 60)
        return replace(block, children=[self._whole(child) for child in known])

    def _parent(self, event: e.Event) -> EventId | None:
        parent = (event.loop or {}).get("parent")
        if not isinstance(parent, str):
            return None
        return self._calls.get(parent, EventId(parent))

    def _parent_block(self, block: b.Block) -> b.Block | None:
        return self._blocks.get(block.parent) if block.parent else None

    def _call(self, event: e.AgentToolUse | e.AgentMcpToolUse) -> None:
        name = (event.loop or {}).get("tool_use_id")
        if isinstance(name, str):
            self._calls[name] = event.id
        self._put(b.tool_block(event, self._parent(event)))
        self._pending.add(event.id)

    def _settle(self, event: e.Event) -> None:
        """What counted down, or could go on, is over with what comes next."""
        quiet = is_silent(event) or isinstance(event, e.SessionError)
        if not quiet or isinstance(event, e.SessionStatusRunning):
            self._end_wait(event)
        if self._open is not None and stops.ends_all(event):
            self._set_open(None, event.seq)

    def _error(self, event: e.SessionError) -> None:
        before = self._blocks.get(self._waits) if self._waits else None
        if isinstance(before, b.PauseBlock):
            self._end_wait(event)
            before = None
        block = stops.error_block(event, before)
        self._put(block)
        retries = isinstance(block, b.ErrorBlock) and block.retrying
        self._waits = block.id if retries else None
        self._failed = block.id if isinstance(block, b.ErrorBlock) and not retries else self._failed

    def _end_wait(self, event: e.Event) -> None:
        block = self._blocks.get(self._waits) if self._waits else None
        self._waits = None
        if isinstance(block, b.ErrorBlock | b.PauseBlock):
            self._put(replace(block, over=True, last=event.seq or block.last))

    def _idle(self, event: e.SessionStatusIdle) -> None:
        if event.stop_reason.type == "requires_action":
            return
        loop = event.loop or {}
        self._rests = True
        self._end_stop()
        self.drop_draft()
        self._end_tools(event.seq, self._pending.difference(loop.get("asks", ())))
        if loop.get("again"):
            return  # nothing but an ask of a sub-agent in the background was answered
        turn = stops.turn_block(event)
        self._put(turn)
        if turn.reason != "end_turn":
            failed = self._failed if turn.reason == "retries_exhausted" else None
            self._set_open(failed if failed in self._blocks else turn.id, event.seq)
        self._failed = None

    def _set_open(self, name: EventId | None, seq: int | None) -> None:
        """Offer to go on where a turn has just stopped, and nowhere else."""
        for known, is_open in ((self._open, False), (name, True)):
            block = self._blocks.get(known) if known else None
            if isinstance(block, b.ErrorBlock | b.TurnBlock):
                self._put(replace(block, is_open=is_open, last=seq or block.last))
        self._open = name

    def _show_stop(self, event: e.SessionStatusRunning | e.UserInterrupt | e.Stopping) -> None:
        """An interrupt of a turn that goes on is shown at the end, until the turn has ended."""
        if isinstance(event, e.SessionStatusRunning):
            self._rests = False
        elif not self._rests:
            self._stop = self._stop or event.id
            self._put(stops.stop_note(self._stop, event))

    def _end_stop(self) -> None:
        if self._stop is not None:
            del self._blocks[self._stop]
            self._changed.pop(self._stop, None)
            self._gone.append(self._stop)
            self._stop = None

    def _listed(self, block: b.ToolBlock) -> b.ToolBlock:
        """The call with the task list, if it has changed it: the call before shows it no more."""
        if not self._todo.note(block):
            return block
        before = self._blocks.get(self._todo.at) if self._todo.at else None
        if isinstance(before, b.ToolBlock) and before.id != block.id:
            self._put(replace(before, todo=(), last=max(block.last, before.last)))
        self._todo.at = block.id
        return replace(block, todo=self._todo.items())

    def _start_task(self, event: e.TaskStarted) -> None:
        parent = self._parent(event)
        block = self._blocks.get(parent) if parent else None
        if isinstance(block, b.ToolBlock) and block.tool != "Bash":
            self._put(replace(block, task=event.task_id, last=event.seq or block.last))

    def _end_task(self, event: e.TaskEnded) -> None:
        parent = self._parent(event)
        inside = {n for n in self._pending if (c := self._blocks.get(n)) and c.parent == parent}
        if parent is not None:
            self._end_tools(event.seq, inside)
        if (event.loop or {}).get("background", True):
            self._put(b.block_of(event, None))

    def _end_tools(self, seq: int | None = None, names: Iterable[EventId] | None = None) -> None:
        for name in sorted(self._pending if names is None else names):
            block = self._blocks.get(name)
            if isinstance(block, b.ToolBlock):
                self._put(replace(block, ended=True, last=seq or block.last))
            self._pending.discard(name)

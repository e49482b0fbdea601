"""What is in the list of sessions, what a search finds in it, and what the palette offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from loopagent.domain.ids import EventId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An ask that waits for an answer. wants: "run a command"; what: the command, the file.

    questions: the input of a question, which has a form of its own; choices: its answers where one
    click is enough; is_whole: whether what it wants can be read here.
    """

    id: EventId
    session_id: SessionId
    session: str
    icon: str
    wants: str
    what: str
    code: bool
    added: int
    removed: int
    note: str
    reason: str
    at: datetime
    questions: Mapping[str, Any] | None = None
    choices: Sequence[str] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A session in a list. now: what it is doing, in one line; place: where it stands in its group.

    at: since when it is in its state; is_held: stopped together with others, to be resumed so.
    """

    id: SessionId
    title: str
    state: str
    now: str
    model: str
    cost: str
    isolation: str
    at: datetime
    place: int
    is_pinned: bool = False
    is_held: bool = False
    wishes: Sequence[Wish] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """rows: the first of them; total: of how many."""

    state: str
    rows: Sequence[Row]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The sessions of a person. after: the place in the live stream that this shows."""

    groups: Sequence[Group]
    counts: Mapping[str, int]
    wishes: Sequence[Wish]
    after: str
    here: SessionId | None = None

    @property
    def total(self) -> int:
        """Sessions that are not in the trash."""
        return sum(count for state, count in self.counts.items() if state != "trash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Words of one event. text: with the words that were looked for marked."""

    event_id: EventId
    kind: str
    text: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """A session that was found: by its title, by what was said in it, or both."""

    row: Row
    title: Markup
    hits: Sequence[Hit]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line of the palette. act: where it leads, or what the page's script does.

    kind: "go" (a page), "post" (a form) or "do" (a script's).
    """

    icon: str
    name: str
    kind: str
    act: str
    hint: str = ""
    key: str = ""
    state: str = ""

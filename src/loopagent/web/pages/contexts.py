"""What is on each page: one frozen record per page, and nothing that a template must work out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from loopagent.config import Settings
from loopagent.domain.ids import EventId, SessionId
from loopagent.web.pages.rows import Command, Find, Listing, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What every page has around it. active: the place in the navigation.

    build: changes with each upgrade; wide: whether the page shows the list itself.
    """

    title: str
    active: str
    theme: str = ""
    is_scripted: bool = False
    key: str = "ok"
    person: str = ""
    can_sign_out: bool = False
    listing: Listing | None = None
    build: str = ""

    @property
    def form(self) -> str:
        """How the list is shown: on the page itself, or in the side bar."""
        return "wide" if self.active == "home" else "narrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models on offer, the preset first."""

    preset: str
    names: Sequence[str]


def models_of(settings: Settings) -> Models:
    """The models of the settings."""
    names = dict.fromkeys((settings.model, *settings.models))
    return Models(preset=settings.model, names=list(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """state: the only group that is shown, or none; peek: the row that is open.

    undo: the session that has just left the list.
    """

    shell: Shell
    listing: Listing
    models: Models
    event_id: EventId
    suggestions: Sequence[tuple[str, EventId]]
    state: str = ""
    page: int = 1
    pages: int = 1
    peek: Peek | None = None
    query: str = ""
    found: Sequence[Find] | None = None
    undo: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """The newest of a session, with what can be done to it from the list."""

    id: SessionId
    title: str
    state: str
    is_pinned: bool
    blocks: Markup
    event_id: EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class PeekFragment:
    peek: Peek


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFragment:
    query: str
    found: Sequence[Find]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaletteFragment:
    query: str
    sections: Mapping[str, Sequence[Command]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPage:
    shell: Shell
    models: Models
    templates: Sequence[tuple[str, str]]
    event_id: EventId
    text: str = ""
    title: str = ""
    model: str = ""
    template: str = ""
    recovery: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How far a session's budget is spent, in micro-dollars and in words."""

    spent: int
    limit: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The live part above a transcript."""

    id: SessionId
    title: str
    state: str
    model: str
    cost: str
    tokens: str
    isolation: str
    isolation_means: str
    model_id: str = ""
    recovery: str = "auto"
    is_archived: bool = False
    budget: Budget | None = None
    cost_means: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message in the queue. is_steering: the agent sees it in the turn under way."""

    event_id: EventId
    text: str
    is_steering: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """A sub-agent or a background command that runs."""

    task_id: str
    icon: str
    words: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dock:
    """What stands above the field for the next message."""

    queue: Sequence[Waiting] = ()
    tasks: Sequence[RunningTask] = ()

    @property
    def is_empty(self) -> bool:
        return not self.queue and not self.tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """seq: the newest event on the page; older: the seq before which there is more, or None."""

    shell: Shell
    head: Head
    blocks: Markup
    seq: int
    older: int | None
    dock: Dock
    event_id: EventId
    models: Models


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPage:
    """An earlier part of a transcript on its own, for readers without scripts."""

    shell: Shell
    head: Head
    blocks: Markup
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFragment:
    session_id: SessionId
    blocks: Markup
    older: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputPage:
    shell: Shell
    session_id: SessionId
    name: str
    subject: str
    output: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePage:
    shell: Shell
    id: SessionId
    title: str
    folder: str
    is_trashed: bool
    is_busy: bool
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPage:
    """A file that stands alone; its blocks come where the template says so."""

    head: Head
    begun: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    shell: Shell
    status: int
    heading: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line of the settings page."""

    name: str
    value: str
    means: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    shell: Shell
    sections: Mapping[str, Sequence[Fact]]
    is_scripted: bool
    has_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the API. fields: name, type, whether it must be given, and what it means."""

    method: str
    path: str
    summary: str
    text: str
    fields: Sequence[tuple[str, str, bool, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocsPage:
    shell: Shell
    address: str
    groups: Mapping[str, Sequence[Operation]]
    needs_token: bool

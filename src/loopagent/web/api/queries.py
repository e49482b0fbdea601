"""Query parameters of lists and streams, with the wire's names: `statuses[]`, `created_at[gte]`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from loopagent.domain.ids import AgentId
from loopagent.domain.session import Status
from loopagent.errors import InvalidRequestError
from loopagent.storage.agents import AgentQuery
from loopagent.storage.sessions import SessionQuery

Order = Literal["asc", "desc"]
Preview = Literal["agent.message", "agent.thinking"]
Seq = Annotated[int, Field(ge=0, le=2**62)]


def _in_utc(moment: datetime) -> datetime:
    """A time without a zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(_in_utc)]


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Paged(_Query):
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    page: Annotated[str, Field(max_length=1000)] | None = None


class _Timed(_Query):
    gt: Annotated[Time | None, Field(alias="created_at[gt]")] = None
    gte: Annotated[Time | None, Field(alias="created_at[gte]")] = None
    lt: Annotated[Time | None, Field(alias="created_at[lt]")] = None
    lte: Annotated[Time | None, Field(alias="created_at[lte]")] = None

    def bounds(self) -> dict[str, datetime]:
        """The bounds that the request holds, by name."""
        named = {"gt": self.gt, "gte": self.gte, "lt": self.lt, "lte": self.lte}
        return {name: moment for name, moment in named.items() if moment is not None}


class ArchivablePage(_Paged, _Timed):
    """A page of agents or environments."""

    include_archived: bool = False

    def query(self) -> AgentQuery:
        return AgentQuery(
            limit=self.limit,
            page=self.page or None,
            include_archived=self.include_archived,
            created=self.bounds(),
        )


class SessionsPage(_Paged, _Timed):
    """A page of sessions."""

    order: Order = "desc"
    agent_id: str | None = None
    agent_version: Annotated[int, Field(ge=1, le=2**31)] | None = None
    statuses: Annotated[list[Status], Field(alias="statuses[]")] = []
    include_archived: bool = False

    def query(self) -> SessionQuery:
        return SessionQuery(
            limit=self.limit,
            page=self.page or None,
            order=self.order,
            agent_id=AgentId(self.agent_id) if self.agent_id else None,
            agent_version=self.agent_version,
            statuses=tuple(self.statuses),
            include_archived=self.include_archived,
            created=self.bounds(),
        )


class EventsPage(_Timed):
    """A page of a log. `after` is ours: the seq after which it begins."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    page: str | None = None
    order: Order = "asc"
    after: Seq = 0
    types: Annotated[list[str], Field(alias="types[]", max_length=100)] = []

    def place(self) -> dict[str, int]:
        """Where the page begins, as EventLog.page takes it."""
        if not self.page:
            return {"after": self.after}
        match = re.fullmatch(r"seq_(\d{1,18})", self.page)
        if match is None:
            raise InvalidRequestError(
                "page: this names no page of events. Use next_page as it was given."
            )
        seq = int(match[1])
        return {"after": self.after, "before": seq} if self.order == "desc" else {"after": seq}

    @staticmethod
    def token(seq: int) -> str:
        """The `page` that begins after the event `seq`."""
        return f"seq_{seq}"


class StreamQuery(_Query):
    """What a stream holds besides events, and the seq after which it begins."""

    event_deltas: Annotated[list[Preview], Field(alias="event_deltas[]")] = []
    after: Seq | None = None


class ShortEventsPage(_Query):
    """`wait` holds an empty answer back for so many seconds."""

    after: Seq = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    wait: Annotated[float, Field(ge=0, le=60)] = 0


def resume_point(last_event_id: str | None, after: int | None) -> int | None:
    """The seq after which a stream goes on; a reconnecting client's header wins."""
    if last_event_id is None or not last_event_id.strip():
        return after
    if not re.fullmatch(r"\d{1,18}", last_event_id.strip()):
        raise InvalidRequestError("Last-Event-ID must be a seq: the id of the last event received.")
    return int(last_event_id)

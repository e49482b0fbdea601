"""What the HTTP side needs from the rooms below, as the composition root hands it over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from loopagent.auth.account import Account
    from loopagent.auth.auth import Auth
    from loopagent.config import Settings
    from loopagent.credentials.keywatch import KeyWatch
    from loopagent.eventlog.log import EventLog
    from loopagent.sessions.agents import Agents, Environments
    from loopagent.sessions.checkpoints import Checkpoints
    from loopagent.sessions.context import Context
    from loopagent.sessions.files import Files
    from loopagent.sessions.halting import Halt
    from loopagent.sessions.queueing import Queue
    from loopagent.sessions.rules import Rules
    from loopagent.sessions.service import Sessions
    from loopagent.sessions.shelf import Shelf
    from loopagent.sessions.spending import Spending
    from loopagent.sessions.supervisor import Supervisor
    from loopagent.sessions.tasks import Tasks
    from loopagent.storage.database import Database
    from loopagent.workspaces.workspaces import Workspaces


class Services(Protocol):
    """The verbs and settings that routes may use; `request.app.state.services` holds it."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def auth(self) -> Auth: ...
    @property
    def account(self) -> Account: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def spending(self) -> Spending: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def context(self) -> Context: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def tasks(self) -> Tasks: ...
    @property
    def halt(self) -> Halt: ...
    @property
    def shelf(self) -> Shelf: ...
    @property
    def files(self) -> Files: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def environments(self) -> Environments: ...
    @property
    def log(self) -> EventLog: ...
    @property
    def workspaces(self) -> Workspaces: ...
    @property
    def supervisor(self) -> Supervisor: ...
    @property
    def key(self) -> KeyWatch: ...
    @property
    def version(self) -> str: ...
    @property
    def model_source(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ready(self) -> bool: ...

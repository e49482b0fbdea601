"""All services and how they fit together: made in order from the settings, stopped in reverse.

To import this takes a third of a second: the port is open by then.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from loopagent import __version__
from loopagent.auth.account import Account
from loopagent.auth.auth import Auth
from loopagent.config import Settings
from loopagent.credentials.gateway import open_gateway
from loopagent.credentials.keywatch import KeyWatch
from loopagent.credentials.upstream import Upstream
from loopagent.domain.events import now
from loopagent.errors import SettingsError
from loopagent.eventlog.log import EventLog
from loopagent.sandbox.levels import Machine, choose
from loopagent.scripted.model import ScriptedModel
from loopagent.sessions.agents import Agents, Environments
from loopagent.sessions.checkpoints import Checkpoints, Keeper
from loopagent.sessions.context import Context
from loopagent.sessions.files import Files
from loopagent.sessions.halting import Halt
from loopagent.sessions.parked import Parked
from loopagent.sessions.plans import Plans
from loopagent.sessions.queueing import Queue
from loopagent.sessions.rules import Rules
from loopagent.sessions.service import Sessions
from loopagent.sessions.shelf import Shelf
from loopagent.sessions.spending import Spending, warn_if_near
from loopagent.sessions.supervisor import Supervisor
from loopagent.sessions.tasks import Tasks
from loopagent.storage.database import Database
from loopagent.workspaces.workspaces import Workspaces

if TYPE_CHECKING:
    from loopagent.agent.runner import Runner


_INVENTED_KEY = "scripted-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the web and the command work with."""

    settings: Settings
    database: Database
    log: EventLog
    workspaces: Workspaces
    auth: Auth
    account: Account
    agents: Agents
    environments: Environments
    sessions: Sessions
    spending: Spending
    queue: Queue
    rules: Rules
    context: Context
    tasks: Tasks
    halt: Halt
    shelf: Shelf
    files: Files
    checkpoints: Checkpoints
    supervisor: Supervisor
    upstream: Upstream
    key: KeyWatch
    started_at: datetime
    version: str = __version__
    ready: bool = True

    @property
    def model_source(self) -> str:
        return "scripted" if self.settings.is_scripted else "upstream"


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """All services, started in order and stopped in reverse; SettingsError or StorageError."""
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_own(settings.data_dir))
        launcher = await anyio.to_thread.run_sync(choose, settings.isolation, Machine.of(settings))
        database = await anyio.to_thread.run_sync(Database.open, settings.database_url)
        stack.callback(database.close)
        event_log = await stack.enter_async_context(EventLog(database))
        workspaces = Workspaces(settings.workspace_root, settings.templates_dir)
        await workspaces.prepare()
        await workspaces.empty_trash()
        upstream = await _reach_model(settings, stack)
        warn = partial(warn_if_near, database, event_log, settings.limits)
        gateway = await stack.enter_async_context(open_gateway(settings, database, upstream, warn))
        plans = Plans(
            settings=settings,
            database=database,
            workspaces=workspaces,
            gateway=gateway,
            launcher=launcher,
        )
        reset_of = gateway.limits.reset_of
        keeper = await stack.enter_async_context(Keeper(workspaces).open())
        supervisor = Supervisor(
            settings,
            database,
            event_log,
            plans,
            load_runner=_load_runner,
            reset_of=reset_of,
            rested=keeper.rested,
        )
        await stack.enter_async_context(supervisor.open())
        parked = Parked(database, event_log, supervisor)
        services = await _make_services(
            settings=settings,
            database=database,
            event_log=event_log,
            supervisor=supervisor,
            keeper=keeper,
            upstream=upstream,
            key=gateway.key,
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(gateway.key.run, parked.go_on, name="watch key")
        yield services


async def _reach_model(settings: Settings, stack: contextlib.AsyncExitStack) -> Upstream:
    """The model's API, or the built-in scripted model, which is started."""
    if not settings.is_scripted:
        return Upstream(base_url=settings.upstream, api_key=settings.api_key)
    scripted = ScriptedModel(settings.script)
    url = await scripted.start()
    stack.push_async_callback(scripted.stop)
    return Upstream(base_url=url, api_key=_INVENTED_KEY)


async def _make_services(
    *,
    settings: Settings,
    database: Database,
    event_log: EventLog,
    supervisor: Supervisor,
    keeper: Keeper,
    upstream: Upstream,
    key: KeyWatch,
) -> Services:
    """The verbs on top of what has been started; turns that were cut go on."""
    await (agents := Agents(database)).ensure_default(settings.model)
    await (environments := Environments(database)).ensure_default()
    sessions = Sessions(
        database=database,
        log=event_log,
        workspaces=keeper.workspaces,
        agents=agents,
        environments=environments,
        runs=supervisor,
        recovery=settings.recovery,
    )
    shelf = Shelf(database=database, log=event_log, workspaces=keeper.workspaces, runs=supervisor)
    await shelf.sweep()
    await (auth := Auth(settings, database)).start()
    await supervisor.recover()
    return Services(
        settings=settings,
        database=database,
        log=event_log,
        workspaces=keeper.workspaces,
        auth=auth,
        account=Account(auth.keyring, settings_password=bool(settings.password)),
        agents=agents,
        environments=environments,
        sessions=sessions,
        spending=Spending(database, event_log, settings.limits, supervisor),
        queue=Queue(database, event_log, sessions, supervisor.asides),
        rules=Rules(database, sessions),
        context=Context(sessions, supervisor.asides),
        tasks=Tasks(database, event_log, sessions, supervisor.asides),
        halt=Halt(database, event_log, sessions, supervisor),
        shelf=shelf,
        files=Files(sessions=sessions, event_log=event_log, keeper=keeper),
        checkpoints=Checkpoints(sessions=sessions, event_log=event_log, keeper=keeper),
        supervisor=supervisor,
        upstream=upstream,
        key=key,
        started_at=now(),
    )


async def _load_runner() -> type[Runner]:
    """The runner brings the SDK, which takes most of a second to import."""
    module = await anyio.to_thread.run_sync(importlib.import_module, "loopagent.agent.runner")
    runner: type[Runner] = module.Runner
    return runner


@contextlib.contextmanager
def _own(data_dir: Path) -> Iterator[None]:
    """Hold the data folder: two servers on one would both run its sessions."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / "server.lock").open("a")
    except OSError as error:
        raise SettingsError(
            f"Can't write to the data folder {data_dir}: {error.strerror}. "
            "Make it writable, or choose another with LOOP_AGENT_DATA_DIR=…"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"Another server uses the data folder {data_dir}. "
                "Stop it, or choose another folder with LOOP_AGENT_DATA_DIR=…"
            ) from error
        yield

"""The composition root: settings become services, services become the app; start and stop order.

The heavy parts are imported while the port is open already: a request that comes early waits for
its answer instead of being refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from loopagent import __version__
from loopagent.config import Settings
from loopagent.domain.events import now
from loopagent.errors import SettingsError

if TYPE_CHECKING:
    from loopagent.agent.runner import Runner
    from loopagent.auth.principal import Auth
    from loopagent.credentials.upstream import Upstream
    from loopagent.eventlog.log import EventLog
    from loopagent.sessions.agents import Agents, Environments
    from loopagent.sessions.service import Sessions
    from loopagent.sessions.spending import Spending
    from loopagent.sessions.supervisor import Supervisor
    from loopagent.storage.database import Database
    from loopagent.workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)

_INVENTED_KEY = "scripted-model"
_BACKLOG = 2048
_OTHER_ADDRESS = "Choose an address of this machine with HOST=…, and a free port with PORT=…"
_GRACE = 5  # seconds for answers under way at shutdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that the web and the command work with."""

    settings: Settings
    database: Database
    log: EventLog
    workspaces: Workspaces
    auth: Auth
    agents: Agents
    environments: Environments
    sessions: Sessions
    spending: Spending
    supervisor: Supervisor
    upstream: Upstream
    started_at: datetime
    version: str = __version__
    ready: bool = True

    @property
    def model_source(self) -> str:
        return "scripted" if self.settings.is_scripted else "upstream"


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """All services, started in order and stopped in reverse; SettingsError or StorageError."""
    from loopagent.credentials.budget import Budgets
    from loopagent.credentials.grants import Grants
    from loopagent.credentials.ledger import Ledger
    from loopagent.credentials.limits import Limits
    from loopagent.credentials.prices import load_prices
    from loopagent.credentials.proxy import CredentialProxy
    from loopagent.eventlog.log import EventLog
    from loopagent.sandbox.levels import Machine, choose
    from loopagent.sessions.plans import Plans
    from loopagent.sessions.spending import warn_if_near
    from loopagent.sessions.supervisor import Supervisor
    from loopagent.storage.database import Database
    from loopagent.workspaces.workspaces import Workspaces

    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_own(settings.data_dir))
        launcher = await anyio.to_thread.run_sync(choose, settings.isolation, Machine.of(settings))
        database = await anyio.to_thread.run_sync(Database.open, settings.database_url)
        stack.callback(database.close)
        event_log = await stack.enter_async_context(EventLog(database))
        workspaces = Workspaces(settings.workspace_root, settings.templates_dir)
        await workspaces.prepare()
        await workspaces.empty_trash()
        grants = Grants(database)
        upstream = await _reach_model(settings, stack)
        limits = Limits()
        ledger = Ledger(
            database,
            await anyio.to_thread.run_sync(load_prices, settings.prices),
            on_settled=partial(warn_if_near, database, event_log, settings.limits),
        )
        await stack.enter_async_context(ledger.open())
        budgets = Budgets(database, ledger, settings.limits)
        proxy = CredentialProxy(
            grants, upstream, budgets=budgets, ledger=ledger, on_limited=limits.note
        )
        stack.push_async_callback(proxy.stop)
        await proxy.start()
        plans = Plans(
            settings=settings,
            database=database,
            workspaces=workspaces,
            grants=grants,
            launcher=launcher,
            proxy=proxy,
            settled=ledger.settled,
        )
        supervisor = Supervisor(
            settings, database, event_log, plans, load_runner=_load_runner, reset_of=limits.reset_of
        )
        await stack.enter_async_context(supervisor.open())
        yield await _make_services(
            settings=settings,
            database=database,
            event_log=event_log,
            workspaces=workspaces,
            supervisor=supervisor,
            upstream=upstream,
        )


async def _reach_model(settings: Settings, stack: contextlib.AsyncExitStack) -> Upstream:
    """The model's API, or the built-in scripted model, which is started."""
    from loopagent.credentials.upstream import Upstream

    if not settings.is_scripted:
        return Upstream(base_url=settings.upstream, api_key=settings.api_key)
    from loopagent.scripted.model import ScriptedModel

    scripted = ScriptedModel(settings.script)
    url = await scripted.start()
    stack.push_async_callback(scripted.stop)
    return Upstream(base_url=url, api_key=_INVENTED_KEY)


async def _make_services(
    *,
    settings: Settings,
    database: Database,
    event_log: EventLog,
    workspaces: Workspaces,
    supervisor: Supervisor,
    upstream: Upstream,
) -> Services:
    """The verbs on top of what has been started; turns that were cut go on."""
    from loopagent.auth.principal import Auth
    from loopagent.sessions.agents import Agents, Environments
    from loopagent.sessions.service import Sessions
    from loopagent.sessions.spending import Spending

    agents, environments = Agents(database), Environments(database)
    await agents.ensure_default(settings.model)
    await environments.ensure_default()
    sessions = Sessions(
        database=database,
        log=event_log,
        workspaces=workspaces,
        agents=agents,
        environments=environments,
        runs=supervisor,
        recovery=settings.recovery,
    )
    await supervisor.recover()
    return Services(
        settings=settings,
        database=database,
        log=event_log,
        workspaces=workspaces,
        auth=Auth(settings, settings.data_dir),
        agents=agents,
        environments=environments,
        sessions=sessions,
        spending=Spending(database, event_log, settings.limits, supervisor),
        supervisor=supervisor,
        upstream=upstream,
        started_at=now(),
    )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError if the port can't be had."""
    listener = bind(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    import uvicorn

    from loopagent.web.app import create_app
    from loopagent.web.rehearsal import rehearse

    async with open_services(settings) as services, anyio.create_task_group() as tasks:
        app = create_app(services)
        config = uvicorn.Config(
            app,
            log_config=None,
            lifespan="on",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
            timeout_keep_alive=75,
        )

        class Server(uvicorn.Server):
            """Ends the streams first: otherwise each open page would hold up the shutdown."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                tasks.start_soon(rehearse, app, services, name="rehearsal")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                await services.log.close()
                await super().shutdown(sockets)

        with _announced(settings.data_dir, url):
            print(f"Loop Agent {__version__} is at {url}", flush=True)  # noqa: T201  for people
            if settings.is_scripted:
                print(  # noqa: T201
                    "No ANTHROPIC_API_KEY: sessions talk to the built-in scripted model.",
                    flush=True,
                )
            for number in (signal.SIGINT, signal.SIGTERM):
                # uvicorn raises the signal that ended it once more: then there is nothing to do.
                signal.signal(number, lambda *_: None)
            await Server(config).serve(sockets=[listener])
        tasks.cancel_scope.cancel()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises SettingsError naming the next step."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, so that asyncio's own loop, too, sends small pieces at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        listener.close()
        is_taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise SettingsError(
            f"Can't listen on {host}:{port}: {getattr(error, 'strerror', error)}. "
            + ("Stop what uses it, or choose another with PORT=…" if is_taken else _OTHER_ADDRESS)
        ) from error
    return listener


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


@contextlib.contextmanager
def _announced(data_dir: Path, url: str) -> Iterator[None]:
    """Tell the command line where the server is."""
    note = data_dir / "server.json"
    facts: dict[str, Any] = {"url": url, "pid": os.getpid(), "version": __version__}
    draft = note.with_suffix(".new")
    draft.write_text(json.dumps(facts))
    draft.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)

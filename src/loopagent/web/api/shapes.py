"""Domain records as the wire's JSON: every field that the official clients require is there.

What the wire has no place for is under `loop`, which those clients ignore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from starlette.responses import Response

from loopagent.domain.agent import WIRE_TO_SDK, Agent, Environment, Toolset
from loopagent.domain.events import now
from loopagent.domain.money import MicroUSD, to_dollars
from loopagent.domain.session import Session
from loopagent.storage.asks import Ask
from loopagent.storage.tasks import RunningTask

_SERVICE_ACCOUNT = {"type": "service_account"}
OFFICIAL_TOOLS = frozenset(
    {"bash", "edit", "read", "write", "glob", "grep", "web_fetch", "web_search"}
)
# A tool without a policy follows the server's own rules: the wire's word for that is `auto`.
_BY_RULES = {"type": "auto"}


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    content = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    return Response(content, status, media_type="application/json")


def raw_answer(rows: Iterable[str], **others: Any) -> Response:
    """A JSON answer `{"data": […], …}` of rows that are JSON text already."""
    tail = orjson.dumps(others, option=orjson.OPT_UTC_Z)[1:-1].decode()
    content = f'{{"data":[{",".join(rows)}]{"," if tail else ""}{tail}}}'
    return Response(content, media_type="application/json")


def page(data: list[dict[str, Any]], next_page: str | None) -> Response:
    """A page of a list; `next_page` is null on the last."""
    return answer({"data": data, "next_page": next_page})


def agent_body(agent: Agent) -> dict[str, Any]:
    return {
        **_agent_fields(agent),
        "metadata": agent.metadata,
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
        "archived_at": agent.archived_at,
    }


def _agent_fields(agent: Agent) -> dict[str, Any]:
    """What an agent and a session's snapshot of it have in common."""
    return {
        "id": agent.id,
        "type": "agent",
        "version": agent.version,
        "name": agent.name,
        "description": agent.description,
        "system": agent.system,
        "model": {
            "id": agent.model.id,
            "effort": agent.model.effort,
            "speed": agent.model.speed or "standard",
        },
        "tools": [_toolset_body(toolset) for toolset in agent.tools],
        "mcp_servers": agent.mcp_servers,
        "skills": agent.skills,
        "max_turns": agent.max_turns,
        "multiagent": None,
        "execution_identity": _SERVICE_ACCOUNT,
    }


def _toolset_body(toolset: Toolset) -> dict[str, Any]:
    """The official clients know eight tools; the configs of our others are under `loop`."""
    default = toolset.default_config
    configs = _configs(toolset)
    return {
        "type": toolset.type,
        "default_config": {
            "enabled": default.enabled,
            "permission_policy": _policy(default.permission_policy),
        },
        "configs": [config for config in configs if config["name"] in OFFICIAL_TOOLS],
        "loop": {"configs": [c for c in configs if c["name"] not in OFFICIAL_TOOLS]},
    }


def _configs(toolset: Toolset) -> list[dict[str, Any]]:
    enabled = set(toolset.enabled())
    named = {config.name for config in toolset.configs}
    return [
        {
            "type": name,
            "name": name,
            "enabled": name in enabled,
            "permission_policy": _policy_of(toolset, name),
        }
        for name in WIRE_TO_SDK
        if name in named or name in enabled
    ]


def _policy(policy: Any) -> Mapping[str, str]:
    return {"type": policy.type} if policy is not None else _BY_RULES


def _policy_of(toolset: Toolset, name: str) -> Mapping[str, str]:
    chosen = toolset.policy(name)
    return {"type": chosen} if chosen is not None else _BY_RULES


def environment_body(environment: Environment) -> dict[str, Any]:
    return {
        "id": environment.id,
        "type": "environment",
        "name": environment.name,
        "description": environment.description,
        "config": _environment_config(environment.config),
        "metadata": environment.metadata,
        "scope": None,
        "created_at": environment.created_at,
        "updated_at": environment.updated_at,
        "archived_at": environment.archived_at,
    }


def _environment_config(config: Mapping[str, Any]) -> dict[str, Any]:
    if config.get("type") != "cloud":
        return {"type": "self_hosted"}
    packages: dict[str, list[str]] = {
        name: [] for name in ("apt", "cargo", "gem", "go", "npm", "pip")
    }
    return {"type": "cloud", "networking": {"type": "unrestricted"}, "packages": packages}


def session_body(session: Session, workspace: str) -> dict[str, Any]:
    """`workspace` is the path of the session's folder on the server."""
    active = _active_seconds(session)
    return {
        "id": session.id,
        "type": "session",
        "status": session.status,
        "title": session.title,
        "agent": _agent_fields(session.agent),
        "environment_id": session.environment_id,
        "metadata": session.metadata,
        "resources": [],
        "vault_ids": [],
        "outcome_evaluations": [],
        "budget": budget_body(session.budget),
        "deployment_id": None,
        "stats": {"active_seconds": active, "duration_seconds": _duration_seconds(session)},
        "usage": _usage(session, active),
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "archived_at": session.archived_at,
        "loop": {
            "seq": session.seq,
            "stop_reason": _dumped(session.stop_reason),
            "error": _dumped(session.error),
            "asks": session.asks,
            "isolation": session.isolation,
            "recovery": session.recovery,
            "held": session.held,
            "template": session.template,
            "cost_usd": float(to_dollars(session.cost)),
            "reported_cost_usd": float(to_dollars(session.reported_cost)),
            "turns": session.turns,
            "workspace": workspace,
        },
    }


def budget_body(limit: MicroUSD | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    return {"type": "limit", "max_list_cost": money_body(limit)}


def money_body(amount: MicroUSD) -> dict[str, str]:
    return {"amount": to_dollars(amount), "currency": "USD"}


def _usage(session: Session, active: float) -> dict[str, Any]:
    usage = session.usage
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_creation_input_tokens
            - usage.cache_creation_1h_input_tokens,
            "ephemeral_1h_input_tokens": usage.cache_creation_1h_input_tokens,
        },
        "active_seconds": active,
        "list_cost": money_body(session.cost),
    }


def _active_seconds(session: Session) -> float:
    seconds = session.active_ms / 1000
    if session.running_since is not None:
        seconds += (now() - session.running_since).total_seconds()
    return round(max(0.0, seconds), 3)


def _duration_seconds(session: Session) -> float:
    end = session.updated_at if session.status == "terminated" else now()
    return round(max(0.0, (end - session.created_at).total_seconds()), 3)


def _dumped(record: Any) -> dict[str, Any] | None:
    return None if record is None else record.model_dump(mode="json", exclude_none=True)


def task_body(task: RunningTask) -> dict[str, Any]:
    """A sub-agent or background command; `parent` is the event of the call that began it."""
    return {
        "task_id": task.task_id,
        "kind": task.kind,
        "description": task.description,
        "command": task.command,
        "background": task.in_background,
        "parent": task.parent,
        "started_at": task.started_at,
    }


def ask_body(ask: Ask) -> dict[str, Any]:
    """An open tool call; `event_id` is what a tool confirmation names as `tool_use_id`."""
    return {
        "event_id": ask.event_id,
        "session_id": ask.session_id,
        "tool": ask.tool,
        "input": ask.tool_input,
        "reason": ask.reason,
        "status": ask.status,
        "created_at": ask.created_at,
    }

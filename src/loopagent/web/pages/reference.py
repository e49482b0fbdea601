"""Routes: what this server runs with, and what its API can do."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.web.pages import words
from loopagent.web.pages.contexts import DocsPage, Fact, Operation, SettingsPage
from loopagent.web.pages.visit import Visit

router = APIRouter()

_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/settings")
async def settings(request: Request) -> Response:
    visit = Visit(request)
    given = visit.services.settings
    context = SettingsPage(
        shell=visit.shell("Settings", "settings", await visit.listings.of(visit.who)),
        sections={
            "Model": _model_facts(visit),
            "Isolation": _isolation_facts(visit),
            "Server": _server_facts(visit),
        },
        is_scripted=given.is_scripted,
        has_key=bool(given.api_key),
    )
    return visit.page("settings.html", context)


def _model_facts(visit: Visit) -> list[Fact]:
    given = visit.services.settings
    scripted = Fact(
        name="Model source",
        value="Built-in scripted model",
        means="For trying things out: it follows a script, no Claude is behind it.",
    )
    upstream = Fact(name="Model source", value="The model's API", means=given.upstream)
    return [
        scripted if given.is_scripted else upstream,
        Fact(
            name="API key",
            value="Set" if given.api_key else "Not set",
            tone="idle" if given.api_key else "",
            means="It stays in the server process; agents get a throw-away token.",
        ),
        Fact(name="Preset model", value=given.model),
        Fact(name="Models on offer", value=", ".join(given.models)),
    ]


def _isolation_facts(visit: Visit) -> list[Fact]:
    level = visit.services.supervisor.level
    return [
        Fact(name="Level", value=level, means=words.ISOLATION.get(level, "")),
        Fact(
            name="Demanded", value=visit.services.settings.isolation, means="LOOP_AGENT_ISOLATION"
        ),
    ]


def _server_facts(visit: Visit) -> list[Fact]:
    services, given = visit.services, visit.services.settings
    up = (datetime.now(UTC) - services.started_at).total_seconds() * 1000
    access = "Everybody on this machine" if services.auth.is_open else "Password or token"
    return [
        Fact(name="Loop Agent", value=services.version, means=f"Running for {words.duration(up)}"),
        Fact(name="Python", value=platform.python_version()),
        Fact(name="Address", value=f"{given.host}:{given.port}", means=f"Access: {access}"),
        Fact(name="Database", value=_without_password(given.database_url)),
        Fact(name="Workspaces", value=str(given.workspace_root)),
        Fact(
            name="Live processes",
            value=f"at most {given.max_live}",
            means=f"Idle ones end after {given.idle_minutes:g} minutes.",
        ),
    ]


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator and "@" in rest else url


@router.get("/docs")
async def docs(request: Request) -> Response:
    visit = Visit(request)
    context = DocsPage(
        shell=visit.shell("API", "docs", await visit.listings.of(visit.who)),
        address=str(request.base_url).rstrip("/"),
        groups=operations(request.app.openapi()),
        needs_token=not visit.services.auth.is_open,
    )
    return visit.page("docs.html", context)


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """The calls in an OpenAPI document, by their first tag, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document.get("paths", {}).items():
        for method in _METHODS:
            found = methods.get(method)
            if found is None:
                continue
            group = (found.get("tags") or [_default_group(path)])[0]
            groups.setdefault(str(group).replace("_", " ").capitalize(), []).append(
                Operation(
                    method=method.upper(),
                    path=path,
                    summary=found.get("summary", ""),
                    text=found.get("description", ""),
                    fields=[*_parameters(found), *_body_fields(document, found)],
                )
            )
    return groups


def _default_group(path: str) -> str:
    return "short form" if path.startswith("/api") else "health"


def _parameters(operation: Mapping[str, Any]) -> Sequence[tuple[str, str, bool, str]]:
    return [
        (
            str(item["name"]),
            f"{_type(item.get('schema', {}))}, {item.get('in', '')}",
            bool(item.get("required")),
            str(item.get("description", "")),
        )
        for item in operation.get("parameters", ())
        if item.get("in") != "header"
    ]


def _body_fields(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> Sequence[tuple[str, str, bool, str]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = _resolved(document, content.get("schema", {}))
    required = set(schema.get("required", ()))
    return [
        (name, _type(field), name in required, str(field.get("description", "")))
        for name, field in schema.get("properties", {}).items()
    ]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = document.get("components", {}).get("schemas", {}).get(name, schema)
    return found


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        names = dict.fromkeys(_type(option) for option in options)
        return " or ".join(name for name in names if name != "null")
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("type", "any"))

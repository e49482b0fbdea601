"""What of an agent's request may go on to the model's API: its path, its headers, its body."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

MAX_BODY = 32 << 20
COUNT_TOKENS = "/v1/messages/count_tokens"
# With the key, other paths could read the account's files or start work that nobody meters.
PATHS = frozenset({"/v1/messages", COUNT_TOKENS})

# Looks through the tools of the request itself.
_SEARCH_OF_TOOLS = "tool_search_tool_"

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_SENT = _HOP_BY_HOP | {
    "accept-encoding",
    "anthropic-beta",
    "authorization",
    "content-encoding",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "via",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
}
_NOT_RETURNED = _HOP_BY_HOP | {"content-encoding", "content-length", "set-cookie"}


class RefusedError(Exception):
    """A request that gets its answer from the proxy, in the API's error envelope."""

    def __init__(self, status: int, kind: str, message: str, *, retry: bool | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry = retry

    def response(self) -> web.Response:
        """The answer; `x-should-retry` tells the agent program whether to try again."""
        body = {"type": "error", "error": {"type": self.kind, "message": str(self)}}
        headers = {} if self.retry is None else {"x-should-retry": str(self.retry).lower()}
        return web.json_response(body, status=self.status, headers=headers)


def token_of(headers: Mapping[str, str]) -> str | None:
    """The one token that a request presents; None if there is none, or more than one."""
    tokens = set()
    for name, value in headers.items():
        if name.lower() == "x-api-key":
            tokens.add(value.strip())
        elif name.lower() == "authorization":
            tokens.add(value.strip().partition(" ")[2].strip())
    return tokens.pop() if len(tokens) == 1 else None


def sent_headers(given: CIMultiDict[str] | Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that go on, without any credentials."""
    return _without(given, _NOT_SENT)


def returned_headers(given: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers of an answer that go back."""
    return _without(given, _NOT_RETURNED)


def _without(given: Mapping[str, str], names: frozenset[str]) -> CIMultiDict[str]:
    named = {
        name.strip().lower()
        for key, value in given.items()
        if key.lower() == "connection"
        for name in value.split(",")
    }
    dropped = names | named
    return CIMultiDict((k, v) for k, v in given.items() if k.lower() not in dropped)


async def read_body(request: web.BaseRequest, server_tools: Collection[str] = ()) -> dict[str, Any]:
    """The request's JSON object; raises RefusedError if it is too large, none, or asks too much.

    server_tools: those that may run at the API's side.
    """
    declared = request.content_length
    if declared is not None and declared > MAX_BODY:
        raise _too_large()
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise _too_large()
    try:
        body = _parsed(bytes(raw))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RefusedError(
            400, "invalid_request_error", "The body must be a JSON object. Send one."
        )
    _check_tools(body, server_tools)
    return body


def _check_tools(body: Mapping[str, Any], server_tools: Collection[str]) -> None:
    """Such tools reach the network from there: an agent without one could send data out by them."""
    for name in ("mcp_servers", "container"):
        if body.get(name):
            raise _not_open(name)
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise RefusedError(400, "invalid_request_error", "`tools` must be a list. Send one.")
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None or kind == "custom" or str(kind).startswith(_SEARCH_OF_TOOLS):
            continue
        # `web_search_20250305` is a version of `web_search`.
        if str(kind).rpartition("_")[0] not in server_tools:
            raise _not_open(f"the tool type {kind}")


def _not_open(what: str) -> RefusedError:
    return RefusedError(
        400,
        "invalid_request_error",
        f"{what} is not open to this agent. Enable the tool in the agent's definition.",
    )


def encode(body: Mapping[str, Any]) -> bytes:
    """The body written anew: what was checked is what is sent, also where a key came twice."""
    try:
        return orjson.dumps(body)
    except TypeError:
        # Half a surrogate pair, which only the escaped form can hold.
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _too_large() -> RefusedError:
    return RefusedError(
        413,
        "request_too_large",
        f"The request is over {MAX_BODY >> 20} MiB. Start a new session, or send smaller files.",
    )

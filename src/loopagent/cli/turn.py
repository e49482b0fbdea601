"""One turn in the terminal: send, stream, answer what is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx

from loopagent.cli.connection import checked
from loopagent.cli.terminal import Screen, safe


def play(
    client: httpx.Client, session: str, prompt: str, screen: Screen, *, allow_all: bool = False
) -> int:
    """Send a prompt and show its turn to the end; 0 if it ended well, else 1.

    Ctrl-C interrupts the turn and goes on reading; a second one ends the command.
    """
    after = checked(client.get(f"/api/sessions/{session}")).json()["loop"]["seq"]
    body = {"events": [{"type": "user.message", "content": [{"type": "text", "text": prompt}]}]}
    checked(client.post(f"/v1/sessions/{session}/events", json=body))
    asked: dict[str, dict[str, Any]] = {}
    interrupted = False
    while True:
        try:
            for event in follow(client, session, after):
                after = event.get("seq", after)
                screen.show(event)
                if event["type"] in {"agent.tool_use", "agent.mcp_tool_use"}:
                    asked[event["id"]] = event
                if event["type"] == "session.status_idle":
                    reason = event["stop_reason"]
                    if reason["type"] != "requires_action":
                        return 0 if reason["type"] == "end_turn" else 1
                    for ask in reason["event_ids"]:
                        _answer(client, session, asked[ask], allow_all=allow_all)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            checked(client.post(f"/api/sessions/{session}/interrupt"))


def follow(client: httpx.Client, session: str, after: int) -> Iterator[dict[str, Any]]:
    """The events of a session after a seq, as they come, previews of text among them."""
    query = {"after": str(after), "event_deltas[]": "agent.message"}
    url = f"/v1/sessions/{session}/events/stream"
    with client.stream("GET", url, params=query) as answer:
        for line in checked(answer).iter_lines():
            if line.startswith("data:"):
                event: dict[str, Any] = json.loads(line[5:])
                if event["type"] != "ping":
                    yield event


def _answer(client: httpx.Client, session: str, call: dict[str, Any], *, allow_all: bool) -> None:
    allow, message = _decide(call, allow_all=allow_all)
    body: dict[str, Any] = {"event_id": call["id"], "allow": allow}
    if message:
        body["message"] = message
    answer = client.post(f"/api/sessions/{session}/confirm", json=body)
    if answer.status_code != 409:  # somebody else was faster
        checked(answer)


def _decide(call: dict[str, Any], *, allow_all: bool) -> tuple[bool, str]:
    if allow_all:
        return True, ""
    if not sys.stdin.isatty():
        return False, "Nobody is there to allow it. Run with --yes to allow everything."
    wish = safe(str(call["input"].get("command") or json.dumps(call["input"])))
    print(f"\nAllow {call['name']}?\n  {wish}", file=sys.stderr)
    try:
        reply = input("[y]es, [n]o, or what to do instead: ").strip()
    except EOFError:
        return False, ""
    if reply.lower() in {"y", "yes"}:
        return True, ""
    return False, "" if reply.lower() in {"", "n", "no"} else reply

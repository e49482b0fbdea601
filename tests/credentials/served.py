"""A small server for the test of what an agent can see: `python -m tests.credentials.served`.

It is started with the real key, as a server is, and runs one prompt through the real SDK, the
launcher and the proxy. It prints what became of it as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from loopagent.credentials.secrets import hide_secrets

ENVIRON = hide_secrets(os.environ, sys.orig_argv)


async def serve(root: Path, prompt: str) -> dict[str, object]:
    """One session with one turn."""
    from claude_agent_sdk import (
        ClaudeAgentOptions,
        ClaudeSDKClient,
        PermissionResultAllow,
        ResultMessage,
    )

    from loopagent.credentials.budget import Budgets
    from loopagent.credentials.grants import Grants
    from loopagent.credentials.ledger import Ledger
    from loopagent.credentials.prices import load_prices
    from loopagent.credentials.proxy import CredentialProxy
    from loopagent.credentials.upstream import Upstream
    from loopagent.domain.budget import Limits
    from loopagent.sandbox import LaunchSpec, PlainLauncher
    from loopagent.storage import sessions
    from loopagent.storage.database import Database
    from loopagent.workspaces.workspaces import Workspaces
    from tests.storage.records import a_session

    async def allow(_tool: object, given: dict[str, object], _: object) -> PermissionResultAllow:
        return PermissionResultAllow(updated_input=given)

    launcher = PlainLauncher()
    database = await asyncio.to_thread(Database.open, f"file:{root}/sessions.db")
    grants = Grants(database)
    upstream = Upstream(
        base_url=ENVIRON["ANTHROPIC_BASE_URL"], api_key=ENVIRON["ANTHROPIC_API_KEY"]
    )
    rejected: list[str] = []
    session = a_session()
    session_id = session.id
    await database.write(lambda conn: sessions.insert_row(conn, session))
    ledger = Ledger(database, load_prices())
    proxy = CredentialProxy(
        grants,
        upstream,
        budgets=Budgets(database, ledger, Limits()),
        ledger=ledger,
        on_rejected=rejected.append,
    )
    folder = await Workspaces(root / "workspaces", root).create(session_id)
    token = await grants.issue(session_id)
    spec = LaunchSpec(
        session_id=session_id, folder=folder, base_url=await proxy.start(), token=token
    )
    options = ClaudeAgentOptions(
        cli_path=launcher.prepare(spec),
        cwd=folder.workspace,
        tools=["Bash"],
        setting_sources=[],
        can_use_tool=allow,
        model="claude-sonnet-5-5",
    )
    async with ClaudeSDKClient(options) as client:
        await client.query(prompt)
        messages = [message async for message in client.receive_response()]
    (result,) = [message for message in messages if isinstance(message, ResultMessage)]
    await grants.revoke(session_id)
    swept = await asyncio.to_thread(launcher.sweep, session_id)
    await proxy.stop()
    await asyncio.to_thread(database.close)
    return {
        "error": result.is_error,
        "status": result.api_error_status,
        "ms": result.duration_ms,
        "swept": swept,
        "rejected": rejected == [session_id],
        "token": token,
        "folder": str(folder.root),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))))

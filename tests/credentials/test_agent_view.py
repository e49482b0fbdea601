"""What the real agent program's tools can see of the server's secrets: nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

import loopagent
from loopagent.scripted.model import ScriptedModel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KEY = "sk-ant-the-real-key-5310"
CANARY = "canary-of-the-server-7721"
LOOK = "env > env.txt; cat /proc/[0-9]*/environ > all.bin; cat /proc/[0-9]*/cmdline > commands.bin"


async def served(root: Path, prompt: str, key: str, url: str) -> dict[str, Any]:
    """Run the prompt in a server that is started with the key and a canary."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        # The very package that the tests import, wherever another one is installed.
        "PYTHONPATH": str(Path(loopagent.__file__).parents[1]),
        "ANTHROPIC_API_KEY": key,
        "ANTHROPIC_BASE_URL": url,
        "CANARY": CANARY,
        "LOOP_AGENT_PASSWORD": CANARY,
    }
    command = [sys.executable, "-m", "tests.credentials.served", str(root), prompt]
    with anyio.fail_after(90):
        done = await anyio.run_process(
            command, env=environ, cwd=Path(__file__).parents[2], check=False
        )
    assert done.returncode == 0, done.stderr.decode()
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_tools_see_neither_the_key_nor_any_variable_of_the_server(tmp_path: Path) -> None:
    model = ScriptedModel()
    url = await model.start()
    try:
        prompt = f"[[tool: Bash {json.dumps({'command': LOOK})}]] [[text: done]]"
        told = await served(tmp_path, prompt, KEY, url)
        keys = {request.key for request in model.requests}
    finally:
        await model.stop()
    assert not told["error"]
    assert keys == {KEY}
    kept = files(Path(told["folder"]))
    workspace = Path(told["folder"], "workspace")
    seen = {path.name: text for path, text in kept.items() if path.parent == workspace}
    assert seen.keys() == {"env.txt", "all.bin", "commands.bin"}
    assert b"LOOP_SESSION=" in seen["env.txt"]
    assert b"LOOP_SESSION=" in seen["all.bin"]
    assert b"tests.credentials.served" in seen["commands.bin"]
    for secret in (KEY, CANARY, told["token"]):
        assert not [name for name, text in seen.items() if secret.encode() in text]
    for secret in (KEY, CANARY):
        assert not [path for path, text in kept.items() if secret.encode() in text]
    assert told["swept"] == 0


async def test_a_rejected_key_ends_the_turn_after_one_request(tmp_path: Path) -> None:
    model = ScriptedModel()
    url = await model.start()
    try:
        told = await served(tmp_path, "hello", "sk-rejected-by-name", url)
        asked = [request for request in model.requests if request.method == "POST"]
    finally:
        await model.stop()
    assert (told["error"], told["status"]) == (True, 401)
    assert told["ms"] < 5000
    assert told["rejected"]
    assert len(asked) == 1


async def test_a_daemon_that_a_tool_has_left_is_swept(tmp_path: Path) -> None:
    model = ScriptedModel()
    url = await model.start()
    try:
        command = {"command": "setsid nohup sleep 300 >/dev/null 2>&1 &"}
        prompt = f"[[tool: Bash {json.dumps(command)}]] [[text: done]]"
        told = await served(tmp_path, prompt, KEY, url)
    finally:
        await model.stop()
    assert told["swept"] == 1

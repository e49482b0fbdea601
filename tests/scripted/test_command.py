"""The scripted model run by itself."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp

from tests.scripted.messages import Client

COMMAND = [sys.executable, "-m", "loopagent.scripted"]


async def test_it_says_its_address_and_ends_when_interrupted() -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
        async with aiohttp.ClientSession() as http:
            assert (await Client(url, http).ask("[[text: hello]]")).text == "hello"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_script_that_cannot_be_read_ends_it_with_the_reason(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--script", str(tmp_path / "none.yaml"), stderr=asyncio.subprocess.PIPE
    )
    _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"none.yaml cannot be read" in told
    assert b"Traceback" not in told

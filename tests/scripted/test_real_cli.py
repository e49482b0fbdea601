"""The scripted model as the real SDK and its command line program meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    PermissionResult,
    PermissionResultAllow,
    PermissionResultDeny,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ToolPermissionContext,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from loopagent.scripted import SUGGESTED_PROMPTS
from tests.scripted.messages import connected

pytestmark = pytest.mark.slow

TOOLS = [
    "Read", "Write", "Edit", "Bash", "Glob", "Grep", "TaskCreate", "TaskUpdate", "TaskList", "Agent",
    "AskUserQuestion",
]  # fmt: skip


class Session:
    """One client of the SDK in folders of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.denied: set[str] = set()
        self.asked: list[str] = []
        for name in ("workspace", "config", "home", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        env = {
            "HOME": str(folder / "home"),
            "CLAUDE_CONFIG_DIR": str(folder / "config"),
            "CLAUDE_CODE_TMPDIR": str(folder / "tmp"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "3",
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "invented",
        }
        self.options = ClaudeAgentOptions(
            cwd=folder / "workspace",
            env=env,
            tools=TOOLS,
            setting_sources=[],
            system_prompt={"type": "preset", "preset": "claude_code"},
            can_use_tool=self._decide,
            include_partial_messages=True,
        )

    async def _decide(
        self, name: str, given: dict[str, Any], _: ToolPermissionContext
    ) -> PermissionResult:
        self.asked.append(name)
        if name in self.denied:
            return PermissionResultDeny(message="not today")
        if name == "AskUserQuestion":
            question = given["questions"][0]
            answers = {question["question"]: question["options"][1]["label"]}
            return PermissionResultAllow(updated_input={**given, "answers": answers})
        return PermissionResultAllow()


class Turn:
    """What came out of one prompt."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    @property
    def result(self) -> ResultMessage:
        return next(m for m in reversed(self.messages) if isinstance(m, ResultMessage))

    @property
    def texts(self) -> list[str]:
        return [block.text for block in self._blocks() if isinstance(block, TextBlock)]

    @property
    def calls(self) -> list[str]:
        return [block.name for block in self._blocks() if isinstance(block, ToolUseBlock)]

    @property
    def results(self) -> list[str]:
        blocks = [
            block
            for message in self.messages
            if isinstance(message, UserMessage) and isinstance(message.content, list)
            for block in message.content
        ]
        return [str(block.content) for block in blocks if isinstance(block, ToolResultBlock)]

    @property
    def retries(self) -> list[Any]:
        return [
            message.data.get("error_status")
            for message in self.messages
            if isinstance(message, SystemMessage) and message.subtype == "api_retry"
        ]

    def _blocks(self) -> list[Any]:
        said = [m for m in self.messages if isinstance(m, AssistantMessage)]
        return [block for message in said for block in message.content]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Session, ClaudeSDKClient]]:
    async with connected() as (_, client):
        session = Session(folder, client.url)
        async with ClaudeSDKClient(session.options) as sdk:
            yield session, sdk


async def ask(sdk: ClaudeSDKClient, prompt: str) -> Turn:
    turn = Turn()
    await sdk.query(prompt)
    async for message in sdk.receive_response():
        turn.messages.append(message)
    return turn


async def test_the_whole_tour_does_what_it_says(tmp_path: Path) -> None:
    async with opened(tmp_path) as (session, sdk):
        hello = await ask(sdk, "hello")
        assert "No Claude is behind me" in (hello.result.result or "")

        program = await ask(sdk, SUGGESTED_PROMPTS[0])
        assert program.calls == ["Write", "Write", "Bash", "Edit", "Bash", "Bash"]
        assert "FAILED (failures=1)" in program.results[2]
        assert program.results[4].endswith("OK")
        assert "+    for word in text.lower().split():" in (program.result.result or "")
        assert "| after the fix | test_word_count | OK |" in (program.result.result or "")
        workspace = session.folder / "workspace"
        assert {path.name for path in workspace.iterdir()} == {
            "word_count.py",
            "test_word_count.py",
        }

        plan = await ask(sdk, SUGGESTED_PROMPTS[2])
        assert "| Nairobi | 24 | 75.2 |" in (workspace / "fahrenheit.md").read_text()
        assert "## Done" in (plan.result.result or "")
        assert plan.calls.count("TaskCreate") == 3
        assert plan.calls.count("TaskUpdate") == 6

        look = await ask(sdk, SUGGESTED_PROMPTS[1])
        assert look.calls == ["Bash", "Glob", "Read"]
        assert "There are 5 files" in (look.result.result or "")

        again = await ask(sdk, SUGGESTED_PROMPTS[0])
        assert "| after the fix | test_word_count | OK |" in (again.result.result or "")


async def test_a_denied_command_ends_the_tour_honestly(tmp_path: Path) -> None:
    async with opened(tmp_path) as (session, sdk):
        session.denied = {"Bash"}
        turn = await ask(sdk, SUGGESTED_PROMPTS[0])
        assert turn.calls == ["Write", "Write", "Bash"]
        assert "> not today" in (turn.result.result or "")


async def test_tools_run_one_after_the_other_and_together(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        turn = await ask(
            sdk,
            '[[tools: [{"name":"Bash","input":{"command":"echo one"}},'
            '{"name":"Bash","input":{"command":"echo two"}}]]]'
            '[[tool: Write {"file_path":"a.txt","content":"here"}]]'
            '[[tool: Read {"file_path":"a.txt"}]] [[results]]',
        )
        assert turn.calls == ["Bash", "Bash", "Write", "Read"]
        assert sorted(turn.results[:2]) == ["one", "two"]
        assert "- Read: 1\there" in (turn.result.result or "")


async def test_a_sub_agent_follows_the_directives_of_its_own_prompt(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        turn = await ask(
            sdk,
            '[[agent: [[tool: Bash {"command":"echo deep"}]] [[text: from below]] ]] [[text: up]]',
        )
        assert turn.result.result == "up"
        assert any("from below" in text for text in turn.results)
        assert "Bash" in turn.calls


async def test_the_end_of_a_background_agent_is_answered_in_a_turn_of_its_own(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (_, sdk):
        first = await ask(sdk, "[[background: [[text: from below]] ]] [[text: launched]]")
        assert first.result.result == "launched"
        second = Turn()
        async for message in sdk.receive_response():
            second.messages.append(message)
        assert (second.result.result or "").endswith("from below")


async def test_a_question_is_asked_and_its_answer_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (session, sdk):
        turn = await ask(sdk, "[[ask: Which one? | red | blue]]")
        assert session.asked == ["AskUserQuestion"]
        assert '"Which one?"="blue"' in (turn.result.result or "")


async def test_a_cut_stream_is_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        turn = await ask(
            sdk, "[[pace: 50]] [[cut: 5 times=1]] [[text: one two three four five six seven]]"
        )
        assert turn.result.result == "one two three four five six seven"
        assert len(turn.retries) == 1
        starts = [
            m
            for m in turn.messages
            if isinstance(m, StreamEvent) and m.event["type"] == "message_start"
        ]
        assert len(starts) == 2


async def test_overload_goes_away_after_two_tries(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        turn = await ask(sdk, "[[error: 529 times=2]] [[text: at last]]")
        assert turn.result.result == "at last"
        assert turn.retries == [529, 529]


async def test_a_prompt_after_a_failure_is_answered_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        assert (await ask(sdk, "[[error: 403]]")).result.is_error
        turn = await ask(sdk, "[[recall]]")
        assert turn.result.result == "1. [[error: 403]]"


async def test_all_deltas_of_a_fast_stream_arrive(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sdk):
        turn = await ask(sdk, "[[stream: 2000]]")
        deltas = [
            message.event["delta"]["text"]
            for message in turn.messages
            if isinstance(message, StreamEvent) and message.event["type"] == "content_block_delta"
        ]
        assert "".join(deltas).split() == [f"w{number}" for number in range(2000)]
        assert turn.result.result == "".join(deltas)


async def test_a_resumed_session_goes_on_with_its_script(tmp_path: Path) -> None:
    async with opened(tmp_path) as (session, sdk):
        first = await ask(sdk, "remember the number 42 [[text: noted]]")
        await sdk.disconnect()
        session.options.resume = first.result.session_id
        async with ClaudeSDKClient(session.options) as resumed:
            turn = await ask(resumed, "[[recall]]")
            assert turn.result.result == "1. remember the number 42 [[text: noted]]"

"""Tool results: the model's side of them as content blocks, and the details worth keeping."""

from __future__ import annotations

from typing import Any

from loopagent.domain import events as e

# Details that a page draws from. The rest repeats the content or the whole file.
_KEPT = (
    "type",
    "filePath",
    "structuredPatch",
    "interrupted",
    "backgroundTaskId",
    "task",
    "tasks",
    "statusChange",
    "answers",
    "numFiles",
    "numLines",
)
_MAX_PATCH_LINES = 2000


def result_blocks(content: str | list[dict[str, Any]] | None) -> list[e.Block]:
    """Content blocks from a tool result's content in any of its shapes."""
    if content is None:
        return []
    if isinstance(content, str):
        return [e.text_block(content)] if content else []
    blocks: list[e.Block] = []
    for part in content:
        match part.get("type"):
            case "text":
                blocks.append(e.text_block(str(part.get("text", ""))))
            case "image" | "document":
                blocks.append(e.SourceBlock.model_validate(part))
            case _:
                blocks.append(e.OtherBlock.model_validate({"type": "unknown", **part}))
    return blocks


def result_details(details: Any) -> dict[str, Any]:
    """What is kept of the CLI's structured result; {} where there is nothing."""
    if not isinstance(details, dict):
        return {}
    kept = {key: details[key] for key in _KEPT if details.get(key) is not None}
    patch = kept.get("structuredPatch")
    if patch is not None and sum(len(hunk.get("lines", ())) for hunk in patch) > _MAX_PATCH_LINES:
        del kept["structuredPatch"]
    return kept

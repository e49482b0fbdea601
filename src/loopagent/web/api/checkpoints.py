"""`/v1/sessions/{id}/workspace/checkpoints` and what differs between two of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer
from loopagent.web.downloads import saved_as

router = json_router("/v1/sessions/{session_id}/workspace", "Checkpoints")

_MOST = 1_000_000_000
From = Annotated[
    int | None, Query(alias="from", ge=0, le=_MOST, description="0, the empty start, if left out")
]
To = Annotated[
    int | None, Query(alias="to", ge=0, le=_MOST, description="The newest if it is left out")
]


@router.get("/checkpoints", summary="The workspace's checkpoints, oldest first")
async def show(use: Use, who: Caller, session_id: SessionPath) -> Response:
    """One is taken after every turn and every change by hand that has changed files.

    `seq` says how far the log was; `why` is start, turn, hand or rewind. `left_out` counts files
    that are too large to be kept (10 MiB).
    """
    found = await use.checkpoints.look(who, session_id)
    data = [
        {
            "number": one.number,
            "created_at": one.at,
            "seq": one.seq,
            "why": one.why,
            "files": one.files,
            "left_out": one.left_out,
        }
        for one in found
    ]
    return answer({"data": data})


@router.get("/diff", summary="The files that differ between two checkpoints")
async def diff(
    use: Use, who: Caller, session_id: SessionPath, old: From = None, new: To = None
) -> Response:
    """`added` and `removed` count lines; they are null where the content isn't text."""
    found = await use.checkpoints.compare(who, session_id, old, new)
    data = [
        {
            "path": _text(change.path),
            "kind": change.kind,
            "added": change.added,
            "removed": change.removed,
        }
        for change in found.changes
    ]
    return answer({"from": found.old, "to": found.new, "data": data})


@router.get("/patch", summary="The difference between two checkpoints as a patch")
async def patch(
    use: Use,
    who: Caller,
    session_id: SessionPath,
    *,
    old: From = None,
    new: To = None,
    path: Annotated[str | None, Query(max_length=4096)] = None,
) -> Response:
    """For `git apply`; of one file or of all."""
    text = await use.checkpoints.patch(who, session_id, old, new, path, binary=True)
    headers = saved_as(f"{session_id}.patch")
    return Response(text.encode(errors="surrogateescape"), 200, headers, media_type="text/x-diff")


@router.post("/checkpoints/{number}/rewind", summary="Make the files what they were")
async def rewind(
    use: Use,
    who: Caller,
    session_id: SessionPath,
    number: Annotated[int, Path(ge=0, le=_MOST)],
) -> Response:
    """What they are now becomes a checkpoint first, so this can be undone.

    `kept`: files that no checkpoint holds as they are now; they were in the way and stay.
    """
    done = await use.checkpoints.rewind(who, session_id, number)
    return answer(
        {
            "type": "workspace_rewound",
            "written": [_text(path) for path in done.written],
            "deleted": [_text(path) for path in done.deleted],
            "kept": [_text(path) for path in done.kept],
        }
    )


def _text(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="replace")

"""Routes: what a session has changed in its files, between any two checkpoints, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.errors import NotFoundError
from loopagent.web.downloads import saved_as
from loopagent.web.pages.diffs import from_patch
from loopagent.web.pages.visit import Visit, number_of, session_id_of
from loopagent.web.pages.workspace import ChangedFile, ChangesPage, Keep
from loopagent.workspaces.checkpoints import Checkpoint
from loopagent.workspaces.shadow import Change

router = APIRouter(prefix="/sessions/{session_id}/changes")

# More is to be looked at file by file, or as a patch.
_MOST_FILES = 50
_MOST_LINES = 3_000
_WHY = {
    "start": "At the start",
    "turn": "After a turn",
    "hand": "Changed by hand",
    "rewind": "Rewound",
}
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@router.get("")
async def show(request: Request, session_id: str) -> Response:
    """All changes of the session, or those from one checkpoint to another."""
    visit = Visit(request)
    known = session_id_of(session_id)
    session = await visit.services.sessions.get(visit.who, known)
    checkpoints = visit.services.checkpoints
    kept = await checkpoints.look(visit.who, known)
    newest = kept[-1].number if kept else 0
    first = kept[0].number if kept and kept[0].why == "start" else 0
    query = request.query_params
    old = number_of(query.get("from"), "from", first)
    new = number_of(query.get("to"), "to", newest)
    path = query.get("path") or None
    found = await checkpoints.compare(visit.who, known, old, new)
    patch = await checkpoints.patch(visit.who, known, old, new, path)
    context = ChangesPage(
        shell=visit.shell(
            f"Changes of {session.title or 'Untitled'}",
            "session",
            await visit.listings.of(visit.who, known),
        ),
        id=known,
        title=session.title or "Untitled",
        old=old,
        new=new,
        newest=newest,
        first=first,
        keeps=[_keep(one) for one in reversed(kept)],
        changes=_changed(found.changes, _hunks(patch), path),
        total=len(found.changes),
        can_rewind=session.archived_at is None and session.status == "idle",
    )
    return visit.page("changes.html", context)


@router.get("/patch")
async def patch(request: Request, session_id: str) -> Response:
    """The changes as a file for `git apply`."""
    visit = Visit(request)
    known = session_id_of(session_id)
    query = request.query_params
    old, new = number_of(query.get("from"), "from"), number_of(query.get("to"), "to")
    text = await visit.services.checkpoints.patch(
        visit.who, known, old, new, query.get("path") or None, binary=True
    )
    data = text.encode(errors="surrogateescape")
    return Response(data, 200, saved_as(f"{known}.patch"), media_type="text/x-diff")


@router.post("/rewind/{number}")
async def rewind(request: Request, session_id: str, number: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.sessions.get(visit.who, known)
    if not number.isdigit():
        raise NotFoundError("There is no such checkpoint. Reload the page.")
    await visit.services.checkpoints.rewind(visit.who, known, number_of(number, "number"))
    return visit.leave(f"/sessions/{known}/changes")


def _keep(one: Checkpoint) -> Keep:
    return Keep(
        number=one.number,
        at=one.at,
        words=_WHY.get(one.why, one.why),
        files=one.files,
        left_out=one.left_out,
    )


def _changed(
    changes: Sequence[Change], hunks: Mapping[str, list[dict[str, Any]]], only: str | None
) -> list[ChangedFile]:
    """The files with their lines, as far as there is room for them."""
    shown = []
    room = _MOST_LINES
    for change in changes[:_MOST_FILES] if only is None else changes:
        if only is not None and change.path != only:
            continue
        own = hunks.get(change.path, [])
        length = sum(len(hunk["lines"]) for hunk in own)
        fits = only is not None or length <= room
        room -= length if fits else 0
        path = _readable(change.path)
        shown.append(
            ChangedFile(
                path=path,
                kind=change.kind,
                added=change.added,
                removed=change.removed,
                lines=from_patch(own, path).lines if fits else (),
                is_cut=not fits,
            )
        )
    return shown


def _hunks(patch: str) -> dict[str, list[dict[str, Any]]]:
    """The changed places of each file of a patch."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, lines in _files(patch):
        for line in lines:
            match = _HUNK.match(line)
            if match is not None:
                hunk = {"oldStart": int(match[1]), "newStart": int(match[2]), "lines": []}
                found.setdefault(path, []).append(hunk)
            elif path in found:
                found[path][-1]["lines"].append(_readable(line))
    return found


def _files(patch: str) -> Iterator[tuple[str, list[str]]]:
    """Each file's path and the lines below its header."""
    for part in re.split(r"(?m)^diff --git ", patch)[1:]:
        old = new = ""
        lines = part.split("\n")
        for number, line in enumerate(lines):
            if line.startswith("--- "):
                old = _name(line[4:])
            elif line.startswith("+++ "):
                new = _name(line[4:])
                yield (old if new == "/dev/null" else new), lines[number + 1 : -1]
                break


def _name(text: str) -> str:
    """A path as Git writes it: with a letter before, in quotes if it is odd."""
    text = text.removesuffix("\t")
    if text.startswith('"'):
        raw = text[1:-1].encode(errors="surrogateescape")
        escapes = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b'"': b'"', b"\\": b"\\"}
        data = re.sub(
            rb"\\([0-7]{3}|.)",
            lambda m: bytes((int(m[1], 8),)) if len(m[1]) == 3 else escapes.get(m[1], m[1]),
            raw,
        )
        text = data.decode(errors="surrogateescape")
    return text if text == "/dev/null" else text[2:]


def _readable(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="replace")

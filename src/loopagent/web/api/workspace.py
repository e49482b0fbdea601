"""`/v1/sessions/{id}/workspace`: the files of a session."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Request
from starlette.responses import Response

from loopagent.web.api.fields import Body
from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer
from loopagent.web.downloads import file_response, stream_response
from loopagent.workspaces.files import Entry

router = json_router("/v1/sessions/{session_id}/workspace", "Workspace")

FilePath = Annotated[str, Query(max_length=4096, description="Relative to the workspace")]


class FolderCreate(Body):
    path: str


class Rename(Body):
    path: str
    to: str


@router.get("", summary="How much the workspace holds")
async def show(use: Use, who: Caller, session_id: SessionPath) -> Response:
    size = await use.files.measure(who, session_id)
    return answer({"type": "workspace", "files": size.files, "bytes": size.bytes})


@router.get("/entries", summary="What is in a folder")
async def entries(use: Use, who: Caller, session_id: SessionPath, path: FilePath = "") -> Response:
    """Folders first, by name, at most 2,000; `total` says how many there are."""
    found = await use.files.look(who, session_id, path)
    return answer({"data": [_body(entry) for entry in found.entries], "total": found.total})


@router.get("/file", summary="The bytes of a file")
async def read(
    use: Use,
    who: Caller,
    session_id: SessionPath,
    path: FilePath = "",
    part: Annotated[str | None, Header(alias="range", max_length=200)] = None,
) -> Response:
    """To be saved, whatever it is. A `Range` header of one range is honoured."""
    return file_response(await use.files.open(who, session_id, path), part)


@router.put("/file", summary="Upload a file")
async def write(
    request: Request,
    use: Use,
    who: Caller,
    session_id: SessionPath,
    *,
    path: FilePath = "",
    replace: bool = False,
) -> Response:
    """The request's body is its content, 12 MB at most. Missing folders are made.

    A file that is there already is kept, with an answer of 409, unless `replace` is true.
    """
    content = await request.body()
    return answer(_body(await use.files.put(who, session_id, path, content, replace=replace)), 201)


@router.post("/folders", summary="Make a folder")
async def make_folder(
    use: Use, who: Caller, session_id: SessionPath, body: FolderCreate
) -> Response:
    return answer(_body(await use.files.make_folder(who, session_id, body.path)), 201)


@router.post("/rename", summary="Give a file or folder another name or place")
async def rename(use: Use, who: Caller, session_id: SessionPath, body: Rename) -> Response:
    return answer(_body(await use.files.rename(who, session_id, body.path, body.to)))


@router.delete("/entry", summary="Erase a file, or a folder with all in it")
async def delete(use: Use, who: Caller, session_id: SessionPath, path: FilePath = "") -> Response:
    await use.files.delete(who, session_id, path)
    return answer({"path": path, "type": "workspace_entry_deleted"})


@router.get("/zip", summary="A folder with all in it as a zip")
async def download(use: Use, who: Caller, session_id: SessionPath, path: FilePath = "") -> Response:
    """Links are left out."""
    pieces = await use.files.zip(who, session_id, path)
    return stream_response(zip_name(session_id, path), pieces)


def zip_name(session_id: str, path: str) -> str:
    """What the zip of a folder is called."""
    return f"{path.strip('/').rpartition('/')[2] or session_id}.zip"


def _body(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "modified_at": entry.modified_at,
        "target": entry.target,
    }

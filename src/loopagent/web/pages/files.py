"""Routes: the files of a session, as a list and one by one, and what a person does to them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain.ids import SessionId
from loopagent.errors import InvalidRequestError
from loopagent.web.api.workspace import zip_name
from loopagent.web.downloads import file_response, stream_response
from loopagent.web.pages.forms import LARGEST_FIELD, read_form
from loopagent.web.pages.highlight import code_lines
from loopagent.web.pages.visit import Visit, session_id_of
from loopagent.web.pages.workspace import FilePage, FilesPage
from loopagent.workspaces.files import OpenFile

router = APIRouter(prefix="/sessions/{session_id}/workspace")

_PICTURES = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
_LARGEST_PICTURE = 3_000_000
_LARGEST_TEXT = 400_000


@router.get("")
async def show(request: Request, session_id: str) -> Response:
    """A folder as a list, or a file with its content."""
    visit = Visit(request)
    known = session_id_of(session_id)
    path = request.query_params.get("path", "")
    session = await visit.services.sessions.get(visit.who, known)
    title = session.title or "Untitled"
    listing = await visit.listings.of(visit.who, known)
    if (
        path
        and (entry := await visit.services.files.entry(visit.who, known, path)).kind != "folder"
    ):
        shell = visit.shell(entry.name, "session", listing)
        facts: dict[str, Any] = {"form": "link"} if entry.kind == "link" else {"form": "none"}
        if entry.kind == "file":
            facts = _content(await visit.services.files.open(visit.who, known, path))
        page = FilePage(
            shell=shell, id=known, title=title, trail=_trail(path), entry=entry, **facts
        )
        return visit.page("file.html", page)
    found = await visit.services.files.look(visit.who, known, path)
    size = await visit.services.files.measure(visit.who, known)
    context = FilesPage(
        shell=visit.shell(f"Files of {title}", "session", listing),
        id=known,
        title=title,
        trail=_trail(found.path),
        path=found.path,
        entries=found.entries,
        total=found.total,
        files=size.files,
        bytes=size.bytes,
        is_archived=session.archived_at is not None,
    )
    return visit.page("files.html", context)


@router.get("/raw")
async def raw(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    path = request.query_params.get("path", "")
    file = await visit.services.files.open(visit.who, session_id_of(session_id), path)
    return file_response(file, request.headers.get("range"))


@router.get("/zip")
async def zipped(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    path = request.query_params.get("path", "")
    pieces = await visit.services.files.zip(visit.who, known, path)
    return stream_response(zip_name(known, path), pieces)


@router.post("/upload")
async def upload(request: Request, session_id: str) -> Response:
    """The files of a form, into the folder that it names."""
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.sessions.get(visit.who, known)
    async with request.form(max_part_size=LARGEST_FIELD) as form:
        folder = str(form.get("path") or "")
        replace = bool(form.get("replace"))
        given = [item for item in form.getlist("file") if isinstance(item, UploadFile)]
        chosen = [item for item in given if item.filename]
        if not chosen:
            raise InvalidRequestError("Choose one file or more, then upload.")
        for item in chosen:
            # Some browsers send the way to the file, too.
            name = (item.filename or "").replace("\\", "/").rpartition("/")[2]
            content = await item.read()
            path = f"{folder}/{name}".lstrip("/")
            await visit.services.files.put(visit.who, known, path, content, replace=replace)
    return visit.leave(_address(known, folder))


@router.post("/folder")
async def make_folder(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    folder = form.text("path")
    path = f"{folder}/{form.line('name')}".lstrip("/")
    await visit.services.files.make_folder(visit.who, known, path)
    return visit.leave(_address(known, folder))


@router.post("/rename")
async def rename(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    entry = await visit.services.files.rename(visit.who, known, form.text("path"), form.line("to"))
    return visit.leave(_address(known, entry.path.rpartition("/")[0]))


@router.post("/delete")
async def delete(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    path = (await read_form(request)).text("path")
    await visit.services.files.delete(visit.who, known, path)
    return visit.leave(_address(known, path.rpartition("/")[0]))


def _content(file: OpenFile) -> dict[str, Any]:
    """How a file is shown: as a picture, as text, or not at all."""
    try:
        kind = _PICTURES.get(file.name.rpartition(".")[2].lower())
        if kind is not None and file.size <= _LARGEST_PICTURE:
            data = base64.b64encode(file.read(0, _LARGEST_PICTURE)).decode()
            return {"form": "picture", "picture": f"data:{kind};base64,{data}"}
        data_of = file.read(0, _LARGEST_TEXT)
    finally:
        file.close()
    text = _text(data_of)
    if text is None:
        return {"form": "binary"}
    lines = code_lines(text.removesuffix("\n"), file.name if "." in file.name else "")
    return {"form": "code", "lines": lines, "is_cut": file.size > len(data_of)}


def _text(data: bytes) -> str | None:
    """The text that these bytes are; None if they are something else."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut.
        return data[: error.start].decode() if error.start > len(data) - 4 else None


def _trail(path: str) -> list[tuple[str, str]]:
    """The folders on the way, each with its path."""
    parts = [part for part in path.split("/") if part]
    return [(part, "/".join(parts[: at + 1])) for at, part in enumerate(parts)]


def _address(session_id: SessionId, path: str) -> str:
    query = f"?{urlencode({'path': path})}" if path else ""
    return f"/sessions/{session_id}/workspace{query}"

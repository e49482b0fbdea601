"""Files that go out: always to be saved, never to be run or shown by a browser as what they claim."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from loopagent.workspaces.files import OpenFile

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


def file_response(file: OpenFile, wanted: str | None) -> Response:
    """A file, or the part of it that a `Range` header names; 416 for one that lies beyond it."""
    headers = {**saved_as(file.name), "accept-ranges": "bytes"}
    match = _RANGE.match(wanted or "")
    if match is None or match.groups() == ("", ""):
        return _stream(file.pieces(), 200, {**headers, "content-length": str(file.size)})
    first, last = match.groups()
    # Without a beginning it means the last so many bytes.
    start = int(first) if first else max(0, file.size - int(last))
    end = min(int(last), file.size - 1) if first and last else file.size - 1
    if start > end:
        size = file.size
        file.close()
        return Response(None, 416, {"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{file.size}"
    headers["content-length"] = str(end - start + 1)
    return _stream(file.pieces(start, end - start + 1), 206, headers)


def stream_response(name: str, pieces: Iterator[bytes]) -> Response:
    """A file that is made as it goes out."""
    return _stream(pieces, 200, saved_as(name))


def saved_as(name: str) -> dict[str, str]:
    """The header that makes a browser save an answer under a name."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    exact = quote(name.encode(errors="replace"), safe="")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}"}


def _stream(pieces: Iterator[bytes], status: int, headers: Mapping[str, str]) -> Response:
    return StreamingResponse(pieces, status, headers, media_type="application/octet-stream")

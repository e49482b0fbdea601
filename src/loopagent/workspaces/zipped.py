"""A folder as a zip, written while it is read: neither memory nor disk holds it whole."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from loopagent.errors import TooLargeError
from loopagent.workspaces.files import below, readable

_MOST_FILES = 100_000
_MOST_BYTES = 4 << 30
# A zip knows no other years.
_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)


class _Outlet(io.RawIOBase):
    """Takes what the zip writes, until it is fetched."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: object) -> int:
        data = bytes(piece)  # type: ignore[call-overload]
        self._pieces.append(data)
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def zipped(root: Path, path: str) -> Iterator[bytes]:
    """The zip of a folder, some bytes at a time; links are left out.

    Raises NotFoundError and UnsafePathError before the first bytes, TooLargeError between them.
    """
    outlet = _Outlet()
    files = taken = 0
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, file in below(root, path):
            files += 1
            if files > _MOST_FILES or taken > _MOST_BYTES:
                raise TooLargeError("The folder is too large for one zip. Take a smaller one.")
            if file is None:
                archive.writestr(zipfile.ZipInfo(f"{readable(name)}/"), b"")
                continue
            moment = min(max(file.modified_at.timetuple()[:6], _FIRST), _LAST)
            facts = zipfile.ZipInfo(readable(name), moment)
            facts.compress_type = zipfile.ZIP_DEFLATED
            facts.external_attr = 0o100644 << 16
            with archive.open(facts, "w", force_zip64=True) as inside:
                for piece in file.pieces():
                    inside.write(piece)
                    taken += len(piece)
                    if data := outlet.take():
                        yield data
            if data := outlet.take():
                yield data
    yield outlet.take()

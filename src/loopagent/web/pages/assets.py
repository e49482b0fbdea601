"""Names of the built files: `asset("main.js")` gives the address with its content's hash."""

from __future__ import annotations

import json
from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"
HOW_TO_BUILD = (
    "The dashboard's files are not built yet.\n\n"
    "Run `make serve`, or `python hatch_build.py` in the source folder, and start again.\n"
    "The HTTP API works without them.\n"
)


class Assets:
    """The manifest, read anew when the build has changed it."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._manifest = folder / "manifest.json"
        self._read_at = 0
        self._names: dict[str, str] = {}

    def are_built(self) -> bool:
        return "main.js" in self._current() and "main.css" in self._current()

    def address(self, name: str) -> str:
        """Where the browser finds the file; empty if it isn't built."""
        hashed = self._current().get(name)
        return f"/static/{hashed}" if hashed else ""

    def version(self) -> str:
        """Changes whenever one of the files does."""
        return self._current().get("main.js", "") + self._current().get("main.css", "")

    def _current(self) -> dict[str, str]:
        try:
            changed = self._manifest.stat().st_mtime_ns
        except OSError:
            return {}
        if changed != self._read_at:
            self._names = json.loads(self._manifest.read_text())
            self._read_at = changed
        return self._names


ASSETS = Assets()


def asset(name: str) -> str:
    """The address of a built file by its plain name, such as "main.css"."""
    return ASSETS.address(name)

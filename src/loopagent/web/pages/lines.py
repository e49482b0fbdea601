"""Changes of the list of sessions as the browser takes them: rows, counts, and open asks."""

from __future__ import annotations

from collections.abc import Iterable

from loopagent.web.pages.drawing import part_html
from loopagent.web.pages.partials import partial
from loopagent.web.pages.rows import Row, Wish


class Lines:
    """Pieces of one message, in order."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    @property
    def html(self) -> str:
        return "".join(self._pieces)

    def put(self, row: Row, form: str) -> None:
        """A row that is new or different."""
        target = "#list" if form == "wide" else "#sessions"
        html = part_html("_list.html", f"{form}_row", row)
        self._pieces.append(partial(target, "upsert", html))

    def grown(self, row: Row) -> None:
        """The log of a session has grown, which its row doesn't show: an open peek does."""
        self._pieces.append(partial(f"#p-{row.id}", "stale"))

    def remove(self, element: str) -> None:
        """Something is gone."""
        self._pieces.append(partial(f"#{element}", "delete"))

    def count(self, state: str, number: int) -> None:
        """The number of sessions in a group."""
        # In the heading of the group, and in the way to it.
        self._pieces.append(partial(f"[data-count={state}]", "innerHTML", str(number)))

    def wish(self, wish: Wish) -> None:
        """An ask that waits."""
        self._pieces.append(
            partial("#tray-list", "upsert", part_html("_tray.html", "wish_item", wish))
        )


def asks(wishes: Iterable[Wish]) -> bytes:
    """All open asks, as an event of a stream."""
    html = "".join(part_html("_tray.html", "wish_item", wish) for wish in wishes)
    return f"event: asks\n{_data(html)}\n\n".encode()


def message(html: str, place: str) -> bytes:
    """An SSE message; `id` lets the browser resume."""
    return f"id: {place}\n{_data(html)}\n\n".encode()


def _data(html: str) -> str:
    # A carriage return would end a line of the stream.
    return "\n".join(f"data: {line}" for line in html.replace("\r", "&#13;").split("\n"))

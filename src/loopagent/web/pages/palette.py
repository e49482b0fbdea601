"""What the palette offers: pages, what can be done here, sessions and what was said in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loopagent.web.pages.rows import Command, Find, Listing, Row

_RECENT = 6
_FOUND = 12

PLACES = (
    Command(icon="plus", name="New session", kind="go", act="/new", key="N"),
    Command(icon="house", name="All sessions", kind="go", act="/", key="H"),
    Command(icon="bell", name="What needs me", kind="do", act="tray", key="A"),
    Command(icon="settings", name="Settings", kind="go", act="/settings"),
    Command(icon="terminal", name="API", kind="go", act="/docs"),
    Command(icon="archive", name="Archived sessions", kind="go", act="/?state=archived"),
    Command(icon="trash-2", name="Trash", kind="go", act="/?state=trash"),
    Command(icon="keyboard", name="Keyboard shortcuts", kind="do", act="keys", key="?"),
    Command(icon="sun", name="Theme: light", kind="do", act="theme:light"),
    Command(icon="moon", name="Theme: dark", kind="do", act="theme:dark"),
    Command(icon="monitor", name="Theme: as the system has it", kind="do", act="theme:system"),
    Command(icon="bell", name="Notifications and sound", kind="go", act="/settings#notifications"),
)


def commands(
    query: str, listing: Listing, found: Sequence[Find], here: Row | None
) -> dict[str, list[Command]]:
    """The lines of the palette by section; a section without lines is left out."""
    if query:
        sections = {
            "Sessions": [_session(find.row) for find in found[:_FOUND]],
            "Messages": _messages(found),
            "This session": _fitting(_of_session(here), query),
            "Commands": _fitting(PLACES, query),
        }
    else:
        recent = [row for group in listing.groups for row in group.rows]
        recent = [row for row in recent if here is None or row.id != here.id]
        sections = {
            "This session": _of_session(here),
            "Sessions": [_session(row) for row in recent[:_RECENT]],
            "Commands": list(PLACES),
        }
    return {name: lines for name, lines in sections.items() if lines}


def _session(row: Row) -> Command:
    return Command(
        icon="message-square", name=row.title, kind="go", act=f"/sessions/{row.id}",
        hint=row.now, state=row.state,
    )  # fmt: skip


def _messages(found: Sequence[Find]) -> list[Command]:
    icons = {"user": "message-square", "agent": "sparkles", "tool": "wrench"}
    lines = [
        Command(
            icon=icons.get(hit.kind, "info"),
            name=hit.text.striptags(),
            kind="go",
            act=f"/sessions/{find.row.id}/at/{hit.event_id}",
            hint=find.row.title,
        )
        for find in found
        for hit in find.hits
    ]
    return lines[:_FOUND]


def _of_session(row: Row | None) -> list[Command]:
    if row is None:
        return []
    place = f"/sessions/{row.id}"
    pin = ("pin-off", "Unpin", "unpin") if row.is_pinned else ("pin", "Pin", "pin")
    lines = [
        Command(icon=pin[0], name=f"{pin[1]} this session", kind="post", act=f"{place}/{pin[2]}"),
        *[
            Command(
                icon="download", name=f"Export as {name}", kind="go", act=f"{place}/export.{end}"
            )
            for name, end in (("Markdown", "md"), ("HTML", "html"), ("JSON", "json"))
        ],
        Command(icon="printer", name="Print", kind="do", act="print"),
        Command(icon="trash-2", name="Delete this session", kind="post", act=f"{place}/trash"),
    ]
    if row.state in {"idle", "failed"}:
        archive = Command(
            icon="archive", name="Archive this session", kind="post", act=f"{place}/archive"
        )
        lines.insert(1, archive)
    if row.state in {"working", "needs"}:
        stop = Command(icon="square", name="Stop", kind="post", act=f"{place}/interrupt", key="Esc")
        lines.insert(0, stop)
    return lines


def _fitting(lines: Iterable[Command], query: str) -> list[Command]:
    words = query.lower().split()
    return [line for line in lines if all(word in line.name.lower() for word in words)]

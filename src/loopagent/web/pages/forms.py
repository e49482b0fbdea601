"""What a person's form says: read once, bounded, as plain strings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from starlette.datastructures import UploadFile
from starlette.requests import Request

from loopagent.domain.ids import EventId, new_event_id

LARGEST_FIELD = 11_000_000
_EVENT_ID = re.compile(r"sevt_[0-9a-z]{10,40}\Z")


class Form:
    """The fields of a form, each with all its values."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """A field as it was written, with plain line ends; empty if it isn't there."""
        values = self.fields.get(name) or ("",)
        return values[-1].replace("\r\n", "\n")

    def line(self, name: str) -> str:
        """A field of one line, without blanks around it."""
        return self.text(name).strip()


async def read_form(request: Request) -> Form:
    """The form in a request's body; files in it are left out."""
    fields: dict[str, list[str]] = {}
    async with request.form(max_part_size=LARGEST_FIELD) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields.setdefault(name, []).append(value)
    return Form(fields)


def event_id_of(form: Form) -> EventId:
    """The id that the page gave to what the form sends, so that sending it twice does no harm."""
    given = form.line("event_id")
    return EventId(given) if _EVENT_ID.match(given) else new_event_id()

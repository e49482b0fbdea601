"""`/v1/sessions/{id}/queue`: messages that wait for their turn."""

from __future__ import annotations

from starlette.responses import Response

from loopagent.auth.principal import Principal
from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import InvalidRequestError
from loopagent.web.api.bodies import QueuedUpdate, QueueUpdate
from loopagent.web.api.given import Caller, EventPath, SessionPath, Use
from loopagent.web.api.input import message
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import answer, raw_answer
from loopagent.web.services import Services

router = json_router("/v1/sessions/{session_id}/queue", "Queue")


@router.get("", summary="Messages that wait for their turn, in order")
async def show(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return await _shown(use, who, session_id)


@router.patch("", summary="Put the messages that wait into another order")
async def reorder(use: Use, who: Caller, session_id: SessionPath, body: QueueUpdate) -> Response:
    """Messages that steer the turn under way stay in front. Names that don't wait are ignored."""
    await use.queue.reorder(who, session_id, [EventId(name) for name in body.order])
    return await _shown(use, who, session_id)


@router.delete("", summary="Take out all messages that wait")
async def clear(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer({"type": "queue_cleared", "removed": await use.queue.clear(who, session_id)})


@router.patch("/{event_id}", summary="Change a message that waits, or let it go before all others")
async def change(
    use: Use, who: Caller, session_id: SessionPath, event_id: EventPath, body: QueuedUpdate
) -> Response:
    """`mode` steer: the turn under way sees it. `mode` interrupt: that turn ends for it, now."""
    if body.content is None and body.mode is None:
        raise InvalidRequestError('Give "content", or "mode", or both.')
    if body.content is not None:
        await use.queue.edit(who, session_id, event_id, message(body.content).content)
    if body.mode is not None:
        await use.queue.hurry(who, session_id, event_id, body.mode)
    return await _shown(use, who, session_id)


@router.delete("/{event_id}", summary="Take a message out of the queue")
async def remove(use: Use, who: Caller, session_id: SessionPath, event_id: EventPath) -> Response:
    await use.queue.remove(who, session_id, event_id)
    return answer({"id": event_id, "type": "queued_message_deleted"})


async def _shown(use: Services, who: Principal, session_id: SessionId) -> Response:
    return raw_answer(queued.body for queued in await use.queue.list(who, session_id))

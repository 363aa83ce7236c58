"""Counts requests by action. The part that answers a request writes its action into the scope."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightship_registry.core.clock import steady
from lightship_registry.core.observer import Observer

ACTION = "lightship.action"
OTHER = "other"


async def counted(app: ASGIApp, observer: Observer, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass the request on, and count it when its answer begins: some answers last for minutes."""
    began = steady()

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            observer.answered(scope.get(ACTION, OTHER), message["status"], steady() - began)
        await send(message)

    await app(scope, receive, tell)

"""Counts requests by what they were: the action is written into the scope by whoever answers."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightship_registry.core.clock import steady
from lightship_registry.core.observer import Observer

ACTION = "lightship.action"
OTHER = "other"


async def counted(app: ASGIApp, observer: Observer, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on, and tell when the answer begins: some go on for minutes."""
    began = steady()

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            observer.answered(scope.get(ACTION, OTHER), message["status"], steady() - began)
        await send(message)

    await app(scope, receive, tell)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from lightship_registry.api.bodies import LARGEST, read_body
from lightship_registry.core.errors import RegistryError


def request(*messages: dict[str, Any], then: Callable[[], Awaitable[Any]] | None = None) -> Request:
    waiting = list(messages)

    async def receive() -> Any:
        return waiting.pop(0) if waiting or then is None else await then()

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def chunk(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_parts_are_joined() -> None:
    assert asyncio.run(read_body(request(chunk(b"a", True), chunk(b"b", False)))) == b"ab"


def test_largest_is_allowed_and_more_is_not_read_to_its_end() -> None:
    assert len(asyncio.run(read_body(request(chunk(b"x" * LARGEST, False))))) == LARGEST
    endless = request(*[chunk(b"x" * LARGEST, True)] * 2)
    with pytest.raises(RegistryError) as caught:
        asyncio.run(read_body(endless))
    assert caught.value.status == 413


def test_slow_body() -> None:
    with pytest.raises(RegistryError) as caught:
        asyncio.run(read_body(request(chunk(b"x", True), then=lambda: asyncio.sleep(9)), seconds=0.05))
    assert caught.value.status == 408


def test_client_goes_away() -> None:
    with pytest.raises(RegistryError) as caught:
        asyncio.run(read_body(request(chunk(b"x", True), {"type": "http.disconnect"})))
    assert caught.value.status == 400

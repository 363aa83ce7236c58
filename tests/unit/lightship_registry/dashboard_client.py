"""Asks the second listener's application."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from unit.lightship_registry.testbed import Testbed


def ask_dashboard(
    testbed: Testbed, path: str = "/", method: str = "GET", host: str = "localhost:9464", **options: Any
) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(testbed.app.dashboard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:9464") as client:
            return await client.request(method, path, headers={"Host": host}, **options)

    return asyncio.run(go())

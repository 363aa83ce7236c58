"""Request bodies, with a limit on size and on patience."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from lightship_registry.core.errors import RegistryError

LARGEST = 64 * 1024
BODY_SECONDS = 10.0


async def read_body(request: Request, seconds: float = BODY_SECONDS, largest: int = LARGEST) -> bytes:
    """The whole body, or a clear refusal of a large or a slow one."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > largest:
                    raise RegistryError(f"The body is larger than {largest} bytes.", "too-large", 413)
    except TimeoutError as error:
        raise RegistryError("The body came too slowly.", "too-slow", 408) from error
    except ClientDisconnect as error:
        raise RegistryError("The body ended early.", "bad-request", 400) from error
    return bytes(body)

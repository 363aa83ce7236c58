"""A second server in the service's event loop, on the loopback address only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from lightship_registry.core import audit

ADDRESS = "127.0.0.1"


class Second(uvicorn.Server):
    """Leaves the signals to the first server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Do nothing."""
        yield


@contextlib.asynccontextmanager
async def listening(port: int, app: ASGIApp) -> AsyncIterator[None]:
    """Listen during the block, unless the port is 0 or taken: the service also works without metrics."""
    listener = _bind(port) if port else None
    if listener is None:
        yield
        return
    with listener:
        config = quiet_config(
            app,
            # Every user of this host can connect, and h11 alone bounds the head of a request.
            http="h11",
            interface="asgi3",
            lifespan="off",
            # Enough for some scrapers and browsers.
            limit_concurrency=20,
            timeout_graceful_shutdown=1,
        )
        server = Second(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield
        finally:
            # No notebook depends on these answers, so they may be cut off.
            server.should_exit = server.force_exit = True
            await asyncio.gather(serving, return_exceptions=True)


def _bind(port: int) -> socket.socket | None:
    try:
        return socket.create_server((ADDRESS, port))
    except OSError as error:
        audit.problem(
            f"metrics_port: cannot listen on {ADDRESS}:{port}: {error.strerror}. There are no metrics until it is "
            "free or another, and the registry was restarted."
        )
        return None


def quiet_config(app: ASGIApp, **more: Any) -> uvicorn.Config:  # noqa: ANN401 - what uvicorn takes
    """The settings that both of the service's servers have; `more` is what one of them adds."""
    return uvicorn.Config(
        app,
        # The library's own logging would print every requested path; ours goes to the journal.
        log_config=None,
        access_log=False,
        log_level="warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        **more,
    )

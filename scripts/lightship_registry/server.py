"""Runs the application on a Unix socket."""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from lightship_registry.app import HostSwitch, build
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.monitoring.listener import quiet_config

# The first descriptor that systemd passes.
SYSTEMD_SOCKET = 3
# How long one thread may go on while another has something to do. With Python's 5 ms the loop waits that long for each
# answer while a worker is busy; more requests are then under way, more threads in each other's way, and it stays so.
SWITCH_SECONDS = 0.0005


class Server(uvicorn.Server):
    """Lets go of those who listen to events before it waits for the answers that are under way."""

    def __init__(self, config: uvicorn.Config, app: HostSwitch) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start."""
        await super().startup(sockets)
        # What is there now stays until the end. Python's collector would look through all of it again and again, and
        # every request would wait for the 20 ms that this takes.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._app.hang_up()
        await super().shutdown(sockets)


def serve(settings: Settings, uds: Path | None) -> None:
    """Serve until told to stop."""
    if uds is None and not _socket_was_passed():
        raise RegistryError("No socket was passed. Start lightship-registry.socket, or give --uds for a trial.")
    # Whatever is created by accident is nobody else's to read; files for the web server set their mode themselves.
    os.umask(0o077)
    app = build(settings)
    place: dict[str, Any] = {"fd": SYSTEMD_SOCKET} if uds is None else {"uds": str(uds)}
    # uvloop and httptools take a seventh less CPU time than Python's own loop and parser. Only the web server connects
    # here, which bounds the heads of requests.
    config = quiet_config(app, loop="uvloop", http="httptools", timeout_graceful_shutdown=5, **place)
    sys.setswitchinterval(SWITCH_SECONDS)
    Server(config, app).run()


def _socket_was_passed() -> bool:
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and int(os.environ.get("LISTEN_FDS", "0")) >= 1

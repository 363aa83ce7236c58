"""Any other web program as a child process of the job, behind a door of our own: it need know nothing of the link.

It listens on a Unix socket in the job's private folder, which nobody else can reach, or on a port of the node's
loopback, which every user of the same node can: most programs know only ports, so that is allowed, and said.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from lightship_cluster.child import Child
from lightship_cluster.doorkeeper import Doorkeeper, Streams
from lightship_cluster.environments import Environment
from lightship_cluster.environments.base import Start
from lightship_cluster.environments.interfaces import A_PROGRAM
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.notebook_probe import pick_port, port_taken, serves
from lightship_cluster.place import Place
from lightship_cluster.values import PORT, SOCKET, app_of

LOOPBACK = "127.0.0.1"
START_SECONDS = 600.0
LOOK_SECONDS = 0.2
LISTENING = "0A"
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def owners_of(port: int, tables: Sequence[Path] = TABLES) -> set[int]:
    """The users whose programs listen on a port of this node."""
    rows = [line.split() for table in tables if table.exists() for line in table.read_text("ascii").splitlines()[1:]]
    return {int(row[7]) for row in rows if row[3] == LISTENING and int(row[1].rpartition(":")[2], 16) == port}


class App(Child):
    """The running program, and its door."""

    subject = A_PROGRAM

    def __init__(self, command: Sequence[str], place: Place, origin: str, umask: int, environment: Environment) -> None:
        self.place = place
        self._origin = origin
        place.runtime.mkdir(mode=0o700)
        self._socket = place.runtime / "app.sock"
        self._port = 0 if SOCKET in " ".join(_checked(command)) else pick_port(LOOPBACK)
        words = [word.replace(PORT, str(self._port)).replace(SOCKET, str(self._socket)) for word in command]
        super().__init__(environment.wrap(Start(tuple(words), environment.enter(os.environ)), place), umask)

    def wait_ready(self) -> None:
        """Return when our program, and nobody else's, answers, and the door is open."""
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if time.monotonic() > deadline:
                raise LightshipError(
                    f"The program did not listen on {self._port or self._socket} within {START_SECONDS:.0f} s. "
                    "Does its command take it from {port} or {socket}?",
                    ExitStatus.JUPYTER,
                )
            status = self.wait(LOOK_SECONDS)
            if status is not None:
                raise LightshipError(
                    f"The program ended with exit status {status} before it answered. Its own last lines say why.",
                    ExitStatus.JUPYTER,
                )
        door = Doorkeeper(self.place, self._origin, self._connect)
        door.start()
        while not serves(self.place.address, self.place.port, self.place.certificate):
            if not door.is_alive():
                raise port_taken(self.place.port)
            time.sleep(LOOK_SECONDS)

    def _listens(self) -> bool:
        if not self._port:
            return self._socket.is_socket()
        owners = owners_of(self._port)
        if owners - {os.geteuid()}:
            raise port_taken(self._port)
        return bool(owners)

    async def _connect(self) -> Streams:
        if self._port:
            return await asyncio.open_connection(LOOPBACK, self._port)
        return await asyncio.open_unix_connection(str(self._socket))


def _checked(command: Sequence[str]) -> tuple[str, ...]:
    # A batch script of the user's own may name any command.
    try:
        words = app_of(shlex.join(command))
    except ValueError as error:
        raise LightshipError(f"--app: {error}", ExitStatus.USAGE) from error
    if not words:
        raise LightshipError("--app: no command was given, to start-jupyter or in the batch script.", ExitStatus.USAGE)
    return words

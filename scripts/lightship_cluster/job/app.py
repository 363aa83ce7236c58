"""Runs another web program than Jupyter as a child process of the job, behind the auth proxy.

The program listens on a Unix socket in the job's private folder, which nobody else can reach, or on a port of the
node's loopback, which every user of the node can reach. Most programs support only ports, so ports are allowed; the
guide warns of them.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from collections.abc import Sequence

from lightship_cluster.app_proxy.auth_proxy import AuthProxy
from lightship_cluster.app_proxy.exchange import Streams
from lightship_cluster.config.values import PORT, SOCKET, app_of
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.listen_address import ListenAddress
from lightship_cluster.environments import Environment
from lightship_cluster.environments.base import Start
from lightship_cluster.environments.interfaces import A_PROGRAM
from lightship_cluster.job.child import START_SECONDS, Child
from lightship_cluster.job.port_owners import LOOPBACKS, answerers
from lightship_cluster.job.probe import pick_port, port_taken, serves
from lightship_cluster.job.workspace import node_disk
from lightship_protocol.centre import Centre

POLL_SECONDS, CONNECT_SECONDS = 0.2, 1.0


class App(Child):
    """The running program, and its auth proxy."""

    subject = A_PROGRAM

    def __init__(
        self,
        command: Sequence[str],
        listen: ListenAddress,
        origin: str,
        umask: int,
        environment: Environment,
        centre: Centre,
    ) -> None:
        self.listen = listen
        self._origin = origin
        self._centre = centre
        with node_disk():
            listen.runtime.mkdir(mode=0o700)
        self._socket = listen.runtime / "app.sock"
        self._loopback = LOOPBACKS[0]
        self._port = 0 if SOCKET in " ".join(_checked(command)) else pick_port(self._loopback)
        self._auth_proxy: AuthProxy | None = None
        words = [word.replace(PORT, str(self._port)).replace(SOCKET, str(self._socket)) for word in command]
        super().__init__(environment.wrap(Start(tuple(words), environment.enter(os.environ)), listen), umask)

    def wait_ready(self) -> None:
        """Return when our program, and no other, answers, and the auth proxy listens."""
        while not self._listens():
            if self.late(START_SECONDS):
                where = f"port {self._port} of {LOOPBACKS[0]}" if self._port else str(self._socket)
                raise LightshipError(
                    f"The program did not listen on {where} within {START_SECONDS:.0f} s. Does its command take it "
                    "from {port} or {socket}, and does it listen on localhost?",
                    ExitStatus.JUPYTER,
                )
            self._poll()
        try:
            self._auth_proxy = AuthProxy(self.listen, self._origin, self._connect, self._centre)
        except OSError as error:
            raise port_taken(self.listen.port) from error
        self._auth_proxy.start()
        while not serves(self.listen.address, self.listen.port, self.listen.certificate):
            self._poll()

    def check(self) -> None:
        """Raise an error if the auth proxy has failed."""
        if self._auth_proxy and not self._auth_proxy.is_alive():
            raise LightshipError("The auth proxy of the program has failed; job.log says why.", ExitStatus.FAILED)

    def _poll(self) -> None:
        status = self.wait(POLL_SECONDS)
        self.check()
        if status is not None:
            raise LightshipError(
                f"The program ended with exit status {status} before it answered. Its own last lines say why.",
                ExitStatus.JUPYTER,
            )

    def _listens(self) -> bool:
        if not self._port:
            return self._socket.is_socket()
        for loopback in LOOPBACKS:
            owners = answerers(loopback, self._port)
            if owners - {os.geteuid()}:
                raise port_taken(self._port)
            if owners and _answers(loopback, self._port):
                self._loopback = loopback
                return True
        return False

    async def _connect(self) -> Streams:
        if not self._port:
            return await asyncio.open_unix_connection(str(self._socket))
        reader, writer = await asyncio.open_connection(self._loopback, self._port)
        # Checked for each connection: a program that releases its port, even for a restart, may lose it to another
        # user.
        own = False
        try:
            own = answerers(self._loopback, self._port, writer.get_extra_info("sockname")[1]) == {os.geteuid()}
        finally:
            if not own:
                writer.close()
        if not own:
            raise ConnectionRefusedError
        return reader, writer


def _answers(loopback: str, port: int) -> bool:
    # A listener on any IPv6 address may take no IPv4 connections.
    try:
        socket.create_connection((loopback, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _checked(command: Sequence[str]) -> tuple[str, ...]:
    # The user's own batch script may have any command.
    try:
        words = app_of(shlex.join(command))
    except ValueError as error:
        raise LightshipError(f"--app: {error}", ExitStatus.USAGE) from error
    if not words:
        raise LightshipError("--app: no command was given, to start-jupyter or in the batch script.", ExitStatus.USAGE)
    return words

"""The agent's Unix socket. Every user of the host may connect, so time, size and number of connections are limited."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path
from typing import Any, Callable

from lightship_cluster.agent.agent_protocol import BadLine, read_line, write_line
from lightship_cluster.agent.requests import Peer, refusal
from lightship_cluster.agent.shares import Shares, Slot, turn_away
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.users import user_name

LINE_SECONDS = 5.0
# One user's many connections can fill any queue, and later ones wait behind them: in a queue of 4,096 the others waited
# a second for each answer, in this one some milliseconds. If it is full, the kernel lets callers wait in turn.
BACKLOG = 256
# The kernel shows this number for all who have none in the agent's namespace. Users of namespaces within it have
# numbers here, sometimes thousands.
OVERFLOW_UID = 65534

_CREDENTIALS = struct.Struct("iII")

Handler = Callable[[Peer, dict[str, Any]], dict[str, Any]]


class AgentServer:
    """Accepts connections, asks the kernel for the user, and passes each question to the handler."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._shares = Shares()
        self._listener = _listen(path)

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                # No descriptor is free: those in use are freed within seconds.
                threading.Event().wait(0.1)
                continue
            self._admit(connection)

    def close(self) -> None:
        """Stop listening."""
        # A blocked accept() wakes for a shutdown, not for a close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink()

    def _admit(self, connection: socket.socket) -> None:
        uid = _peer_uid(connection)
        slot = self._shares.enter(uid, connection)
        if slot:
            try:
                threading.Thread(target=self._converse, args=(slot,), daemon=True).start()
            except RuntimeError:
                # No thread can start: those that run end within seconds.
                self._shares.leave(slot)
            else:
                return
        with connection:
            turn_away(connection)

    def _converse(self, slot: Slot) -> None:
        try:
            with slot.connection:
                _reply(slot.connection, self._answer(slot))
        finally:
            self._shares.leave(slot)

    def _answer(self, slot: Slot) -> dict[str, Any]:
        uid = slot.uid
        # Read before any refusal: a client that is still writing would not read the answer.
        try:
            question = read_line(slot.connection, LINE_SECONDS)
        except BadLine as error:
            return refusal("bad-request", str(error))
        except OSError:
            return refusal("bad-request", "The connection broke.")
        if not self._shares.begin(slot):
            return refusal("busy", "")  # said already
        user = None if uid == OVERFLOW_UID else user_name(uid)
        if user is None:
            return refusal("refused", f"The agent cannot tell who you are (user number {uid}).")
        self._shares.recognise(uid)
        return self._handler(Peer(uid, user), question)


def _listen(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
    except OSError as error:
        listener.close()
        raise LightshipError(f"Cannot listen on {path}: {error.strerror}.", ExitStatus.SETTINGS) from error
    listener.listen(BACKLOG)
    return listener


def _remove_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise LightshipError(f"Another agent is listening on {path}. Stop it first.", ExitStatus.SETTINGS)


def _peer_uid(connection: socket.socket) -> int:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(raw)[1])


def _reply(connection: socket.socket, value: dict[str, Any]) -> None:
    try:
        write_line(connection, value, 1.0)
    except OSError:
        # The client has gone.
        return

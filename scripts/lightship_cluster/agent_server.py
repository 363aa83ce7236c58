"""The agent's Unix socket: bounded in every direction, since every user of the host may connect."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Callable

from lightship_cluster.agent_requests import Peer, refusal
from lightship_cluster.errors import ExitStatus, LightshipError
from lightship_cluster.protocol import BadLine, read_line, write_line
from lightship_cluster.users import user_name

CONNECTIONS = 64
CONNECTIONS_PER_USER = 4
LINE_SECONDS = 5.0
# Shown by the kernel for every user of another user namespace: no one in particular.
OVERFLOW_UID = 65534

_CREDENTIALS = struct.Struct("iII")

Handler = Callable[[Peer, dict[str, Any]], dict[str, Any]]


class AgentServer:
    """Takes connections, learns from the kernel who asks, and hands each question to the handler."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._lock = threading.Lock()
        self._open: Counter[int] = Counter()
        self._listener = _listen(path)

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                # Out of descriptors for the moment: those in use are freed within seconds.
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
        if self._enter(uid):
            try:
                threading.Thread(target=self._converse, args=(connection, uid), daemon=True).start()
            except RuntimeError:
                # Out of threads for the moment: as with descriptors, those in use end within seconds.
                self._leave(uid)
            else:
                return
        with connection:
            _reply(connection, refusal("busy", "Too many questions at once. Try again in a few seconds."))

    def _enter(self, uid: int) -> bool:
        with self._lock:
            full = self._open[uid] >= CONNECTIONS_PER_USER or sum(self._open.values()) >= CONNECTIONS
            if not full:
                self._open[uid] += 1
            return not full

    def _leave(self, uid: int) -> None:
        with self._lock:
            self._open[uid] -= 1
            self._open += Counter()  # drops the zeros

    def _converse(self, connection: socket.socket, uid: int) -> None:
        try:
            with connection:
                _reply(connection, self._answer(connection, uid))
        finally:
            self._leave(uid)

    def _answer(self, connection: socket.socket, uid: int) -> dict[str, Any]:
        # Read before anything is refused: whoever is still writing would not hear the answer.
        try:
            question = read_line(connection, LINE_SECONDS)
        except BadLine as error:
            return refusal("bad-request", str(error))
        except OSError:
            return refusal("bad-request", "The connection broke.")
        user = None if uid == OVERFLOW_UID else user_name(uid)
        if user is None:
            return refusal("refused", f"The agent cannot tell who you are (user number {uid}).")
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
    listener.listen(128)
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
        # The asker has gone; nobody is left to tell.
        return

"""Each user's fair share of the agent's connections, decided before anything is read from a connection."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable

CONNECTIONS = 64
CONNECTIONS_PER_USER = 4
# How many connections of one user are served in a second, and at once after a pause. Each question becomes a request to
# the registry, which allows a cluster some hundreds in a second: no single user may use them up.
CONNECTIONS_PER_SECOND = 50.0
BURST = 200.0
MOST_REMEMBERED = 1000


@dataclass(eq=False)
class Slot:
    """The slot of one served connection; silent until its question has arrived."""

    uid: int
    connection: socket.socket
    silent: bool = True
    lost: bool = False


class Shares:
    """The slots in use. One user may take all free slots, but not the share of another user."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of arrival.
        self._slots: list[Slot] = []
        self._left: dict[int, tuple[float, float]] = {}
        self._named: set[int] = set()

    def enter(self, uid: int, connection: socket.socket) -> Slot | None:
        """Take a slot for the connection; None if the user has enough, or if all slots belong to users with as few."""
        with self._lock:
            taken = self._taken(uid)
            if taken >= CONNECTIONS_PER_USER or not self._spend(uid):
                return None
            if len(self._slots) >= CONNECTIONS and not self._free_one(taken):
                return None
            slot = Slot(uid, connection)
            self._slots.append(slot)
            return slot

    def begin(self, slot: Slot) -> bool:
        """Keep the slot, now that its question has arrived; False if another user has got it meanwhile."""
        with self._lock:
            slot.silent = False
            return not slot.lost

    def recognise(self, uid: int) -> None:
        """Note that this user number has a name."""
        with self._lock:
            self._named.add(uid)

    def leave(self, slot: Slot) -> None:
        """Free the slot."""
        with self._lock:
            if not slot.lost:
                self._slots.remove(slot)

    def _taken(self, uid: int) -> int:
        return sum(slot.uid == uid for slot in self._slots)

    def _free_one(self, taken: int) -> bool:
        """Free a silent slot whose user keeps at least one more than the newcomer will have.

        Or one whose user number has no name: a user of namespaces has 65,536 numbers, each with a share.
        """
        silent = [slot for slot in self._slots if slot.silent]
        for slot in silent:
            if self._taken(slot.uid) > taken + 1 or slot.uid not in self._named:
                slot.lost = True
                self._slots.remove(slot)
                turn_away(slot.connection)
                _hang_up(slot.connection)
                return True
        return False

    def _spend(self, uid: int) -> bool:
        now = self._clock()
        if len(self._left) > MOST_REMEMBERED:
            self._left = {
                known: (left, at) for known, (left, at) in self._left.items() if _filled(left, at, now) < BURST
            }
        left = _filled(*self._left.get(uid, (BURST, now)), now)
        self._left[uid] = (max(0.0, left - 1), now)
        return left >= 1


def turn_away(connection: socket.socket) -> None:
    """Answer that the agent is busy, without waiting: the client may not read."""
    with suppress(OSError):
        connection.send(BUSY, socket.MSG_DONTWAIT)


def _hang_up(connection: socket.socket) -> None:
    # The thread that waits for the question closes the connection.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _filled(left: float, at: float, now: float) -> float:
    return min(BURST, left + (now - at) * CONNECTIONS_PER_SECOND)


BUSY = b'{"ok": false, "code": "busy", "error": "Too many questions at once. Try again in a few seconds."}\n'

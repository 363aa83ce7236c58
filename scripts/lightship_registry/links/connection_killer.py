"""Cuts open connections to targets of ended links. No other part may touch connections of other programs.

It needs CAP_NET_ADMIN, `ss` and a kernel with INET_DIAG_DESTROY, but neither settings nor database. A target belongs to
one link at a time, so every connection from this host to that address and port belongs to the link that ended.
"""

from __future__ import annotations

import ipaddress
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lightship_registry.core import audit
from lightship_registry.core.files import TEMPORARY
from lightship_registry.core.records import TARGET
from lightship_registry.links.cuts import ORDER_SECONDS, REST_SECONDS

LONGEST_ORDER = 64
# A request that the web server accepted just before the route closed may connect just after the first cut.
AGAIN_SECONDS = 2.0
MOST_CUTS = 4
QUIET_SECONDS = 1.0
POLL_SECONDS = 0.1
SS_SECONDS = 5.0
# Targets per command: the kernel limits the filter.
BATCH = 50
CANNOT = "This kernel does not let ss end connections: it needs CONFIG_INET_DIAG_DESTROY, and ss CAP_NET_ADMIN."

Cut = Callable[[Sequence[str]], int]


@dataclass
class Order:
    """One order that was read: its target, when it was made, when the next cut is due, and how many were done."""

    target: str
    made: float
    due: float
    done: int = 0


def target_in(text: str) -> str | None:
    """The target as `ss` takes it; None unless the text is exactly one target."""
    match = TARGET.fullmatch(text.removesuffix("\n"))
    if match is None:
        return None
    try:
        address = ipaddress.ip_address(match[1] or match[2])
    except ValueError:
        return None
    port = int(match[3])
    if (address.version == 4) != bool(match[1]) or not 1024 <= port <= 65535 or address.is_unspecified:
        return None
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


def cut(targets: Sequence[str]) -> int:
    """End all connections to the targets; how many are left."""
    if not targets:
        return 0
    filter_ = " or ".join(f"dst {target}" for target in targets).split()
    _ss("-K", filter_)
    return len(_ss("-a", filter_).splitlines())


def _ss(option: str, filter_: list[str]) -> str:
    # In TIME-WAIT the connection has ended; the kernel only remembers it.
    states = [] if option == "-K" else ["state", "connected", "exclude", "time-wait"]
    done = subprocess.run(
        ["ss", option, "-H", "-n", "-t", *states, *filter_],
        capture_output=True,
        text=True,
        timeout=SS_SECONDS,
        check=True,
    )
    if done.stderr:
        audit.problem(f"ss: {done.stderr.strip()[:200]}. {CANNOT}")
    return done.stdout


class ConnectionKiller:
    """Carries out the orders in a folder until no more come."""

    def __init__(self, folder: Path, routes: Path, cut_: Cut = cut, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._routes = routes
        self._cut = cut_
        self._clock = clock
        self._orders: dict[str, Order] = {}
        self._failed = False
        self._refused: set[str] = set()

    def run(self) -> bool:
        """Work until there was no order for a while, so that one start serves many; true if all was cut."""
        quiet = time.monotonic()
        while time.monotonic() - quiet < QUIET_SECONDS:
            if self.step():
                quiet = time.monotonic()
            time.sleep(POLL_SECONDS)
        return not self._failed

    def step(self) -> bool:
        """Check the folder once; true if any order is left."""
        names = [path.name for path in self._folder.iterdir() if path.name not in self._refused]
        for name in names:
            if name not in self._orders:
                self._read(name)
        now = self._clock()
        for name in [name for name, order in self._orders.items() if now - order.made > REST_SECONDS - SS_SECONDS]:
            # However slow this host is: the target may soon belong to another link.
            del self._orders[name]
            self._refuse(name, "took too long")
        due = self._spare_live({name: order for name, order in self._orders.items() if order.due <= now})
        for at in range(0, len(due), BATCH):
            self._cut_all(dict(list(due.items())[at : at + BATCH]))
        return bool(names)

    def _read(self, name: str) -> None:
        path = self._folder / name
        try:
            seen = path.lstat()
            age = self._clock() - seen.st_mtime
            if name.startswith(TEMPORARY) and age < ORDER_SECONDS:
                return  # it is being written
            if not stat.S_ISREG(seen.st_mode):
                self._refuse(name, "is no file")
                return
            with path.open("rb") as file:
                target = target_in(file.read(LONGEST_ORDER).decode("ascii", "replace"))
        except FileNotFoundError:
            return
        except OSError as error:
            self._refuse(name, f"cannot be read: {error.strerror}")
            return
        if target is None:
            self._refuse(name, "does not hold a target")
        elif age > ORDER_SECONDS:
            # By now its target may belong to another link.
            self._refuse(name, f"is {age:.0f} seconds old, and {target} was not cut")
        else:
            self._orders[name] = Order(target, seen.st_mtime, self._clock())

    def _refuse(self, name: str, why: str) -> None:
        audit.problem(f"The order {name} {why}.")
        self._failed = True
        self._refused.add(name)
        # A file that cannot be removed must not stop the other orders.
        with suppress(OSError):
            (self._folder / name).unlink(missing_ok=True)

    def _spare_live(self, due: dict[str, Order]) -> dict[str, Order]:
        taken = self._targets_with_a_route() if due else set()
        free = {name: order for name, order in due.items() if order.target not in taken}
        for name in due.keys() - free.keys():
            del self._orders[name]
            self._refuse(name, "names the target of a live link, which was spared")
        return free

    def _cut_all(self, due: dict[str, Order]) -> None:
        left = self._cut([order.target for order in due.values()])
        for name, order in due.items():
            order.done += 1
            order.due = self._clock() + AGAIN_SECONDS
            if order.done >= 2 and (not left or order.done >= MOST_CUTS):
                self._finish(name, order)
        if left and any(order.done >= MOST_CUTS for order in due.values()):
            audit.problem(f"{left} connections to targets of ended links stay open. {CANNOT}")
            self._failed = True

    def _finish(self, name: str, order: Order) -> None:
        (self._folder / name).unlink(missing_ok=True)
        del self._orders[name]
        audit.record(audit.Event("cut", "ok", link=name, target=order.target))

    def _targets_with_a_route(self) -> set[str]:
        targets = set()
        for path in self._routes.iterdir():
            try:
                targets.add(path.read_text("ascii").strip().partition("://")[2])
            except FileNotFoundError:
                continue
        return targets

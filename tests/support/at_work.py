"""People who work with notebooks of the bed while an administrator does something: nothing may be cut or fail."""

from __future__ import annotations

import resource
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle

import httpx

from support import bed

# Besides those of the connections.
OTHER_FILES = 1000


@dataclass
class Visits:
    """Requests, each on a connection of its own, one after the other until told to stop."""

    notebooks: tuple[bed.Notebook, ...]
    answered: int = 0
    failed: list[str] = field(default_factory=list)

    def go_on(self, stop: threading.Event) -> None:
        """Visit the notebooks in turn."""
        for notebook in cycle(self.notebooks):
            if stop.is_set():
                return
            try:
                status = bed.status_of(notebook.name)
            except (httpx.HTTPError, OSError) as error:
                self.failed.append(repr(error))
            else:
                if status != httpx.codes.OK:
                    self.failed.append(f"status {status}")
                self.answered += 1


@contextmanager
def at_work(*notebooks: bed.Notebook, sockets: int = 1) -> Iterator[Visits]:
    """Keep WebSockets open and visit the notebooks during the block; fail if one was cut, or a visit failed.

    Args:
        notebooks: those that are visited in turn.
        sockets: how many WebSockets there are in all, as many to each notebook.
    """
    visits, stop = Visits(notebooks), threading.Event()
    with opened(notebooks, sockets) as connections:
        visitor = threading.Thread(target=visits.go_on, args=(stop,))
        visitor.start()
        try:
            yield visits
        finally:
            stop.set()
            visitor.join()
        assert visits.failed == []
        assert visits.answered > 0
        assert sum(bed.is_cut(connection, 0) for connection in connections) == 0


@contextmanager
def opened(notebooks: tuple[bed.Notebook, ...], sockets: int) -> Iterator[list[ssl.SSLSocket]]:
    """Open WebSockets, as many to each notebook, and close them at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, sockets + OTHER_FILES)), hard))
    targets = [notebook for notebook, _ in zip(cycle(notebooks), range(sockets), strict=False)]
    try:
        with ExitStack() as kept, ThreadPoolExecutor(4) as pool:
            yield [kept.enter_context(each) for each in pool.map(bed.websocket, targets)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""Somebody who works with a notebook of the bed while an administrator does something: nothing may be cut or fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import httpx

from support import bed


@dataclass
class Visits:
    """Requests, each on a connection of its own, one after the other until told to stop."""

    notebook: bed.Notebook
    answered: int = 0
    failed: str = ""

    def go_on(self, stop: threading.Event) -> None:
        """Visit the notebook."""
        while not stop.is_set() and not self.failed:
            try:
                status = bed.status_of(self.notebook.name)
            except (httpx.HTTPError, OSError) as error:
                self.failed = repr(error)
            else:
                self.failed = "" if status == httpx.codes.OK else f"status {status}"
                self.answered += 1


@contextmanager
def at_work(notebook: bed.Notebook) -> Iterator[None]:
    """Keep a WebSocket open and visit the notebook during the block; fail if one was cut, or a visit failed."""
    visits, stop = Visits(notebook), threading.Event()
    visitor = threading.Thread(target=visits.go_on, args=(stop,))
    with closing(bed.websocket(notebook)) as connection:
        visitor.start()
        try:
            yield
        finally:
            stop.set()
            visitor.join()
        assert not visits.failed
        assert visits.answered > 0
        assert not bed.is_cut(connection, 0.2)

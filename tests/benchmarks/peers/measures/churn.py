"""Requests to steady links while 100 links a second come and go."""

from __future__ import annotations

import threading
import time
from collections import deque

from peers.links import Link
from peers.measures import wrk
from peers.measures.base import Figures, Subject
from peers.servers.base import BenchmarkError

NAME = "churn"
PER_SECOND = 100
# Links that are alive at the same time besides the steady ones.
ALIVE = 100
CLIENTS = 8
FIRST = 400_000
SETTLE_SECONDS = 2.0


class _Churn(threading.Thread):
    """Publishes and removes links until it is told to stop. If the server's interface is slow, fewer come and go."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(daemon=True)
        self.subject = subject
        self.ended = threading.Event()
        self.changed = 0
        self.error = ""

    def run(self) -> None:
        """Publish one every hundredth of a second and remove the oldest."""
        server, alive = self.subject.server, deque[Link]()
        due = time.monotonic()
        number = FIRST + self.subject.round * 10_000
        try:
            while not self.ended.is_set():
                server.publish(Link(number))
                alive.append(Link(number))
                number += 1
                self.changed += 1
                if len(alive) > ALIVE:
                    server.remove(alive.popleft())
                due = max(due + 1 / PER_SECOND, time.monotonic() - 1)
                self.ended.wait(max(0.0, due - time.monotonic()))
            while alive:
                server.remove(alive.popleft())
        except Exception as problem:
            self.error = f"{type(problem).__name__}: {problem}"


def measure(subject: Subject) -> Figures:
    """Return failed requests and how many links a second came and went."""
    server = subject.server
    if not server.routes:
        return {}
    churn = _Churn(subject)
    churn.start()
    begin = time.monotonic()
    answers = wrk.finish(wrk.begin(subject.links[:CLIENTS], server.port, subject.seconds))
    rate = churn.changed / (time.monotonic() - begin)
    churn.ended.set()
    churn.join(120)
    if churn.is_alive() or churn.error:
        raise BenchmarkError(f"{server.name}: links could not come and go: {churn.error or 'the interface hangs'}")
    time.sleep(SETTLE_SECONDS if rate < PER_SECOND / 2 else 0)
    return {
        "churn_failed": float(answers.wrong_status + answers.broken),
        "churn_failed_share": (answers.wrong_status + answers.broken) / max(1, answers.requests),
        "churn_links_per_second": rate,
        "churn_requests_per_second": answers.requests / answers.seconds,
        "churn_p99_ms": answers.percentile(0.99),
    }

"""Small requests over kept connections, each client at a link of its own."""

from __future__ import annotations

from peers.measures import wrk
from peers.measures.base import Figures, Subject

NAME = "requests"


def measure(subject: Subject) -> Figures:
    """Return CPU and latency of a small request."""
    port = subject.server.port
    wrk.finish(wrk.begin(subject.links, port, 1))
    before = subject.server.cpu_seconds()
    answers = wrk.finish(wrk.begin(subject.links, port, subject.seconds))
    used = subject.server.cpu_seconds() - before
    return {
        "cpu_us_per_request": used / max(1, answers.requests) * 1e6,
        "requests_per_second": answers.requests / answers.seconds,
        "p50_ms": answers.percentile(0.5),
        "p99_ms": answers.percentile(0.99),
        "failed": float(answers.wrong_status + answers.broken),
    }

"""Metrics for Prometheus. No label holds a user, a link, an address or any text of a client."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lightship_registry.core import last_heard
from lightship_registry.core.clock import Clock
from lightship_registry.core.last_heard import Heard
from lightship_registry.core.observer import Observer

REFUSALS = 20
# How often the agents' last requests are written to disk.
KEEP_SECONDS = 60
ACTIVATION = (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)
HANDLING = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True)
class Refusal:
    """A refused request, for the page; the cluster is empty unless the request was signed."""

    when: float
    action: str
    code: str
    cluster: str


class Metrics(Observer):
    """Counts since the start of the service, in a registry of its own. Only the agents' last requests outlive it."""

    def __init__(self, clock: Clock, heard_file: Path | None = None, clusters: Iterable[str] = ()) -> None:
        self._clock = clock
        self._heard_file = heard_file
        self._heard_kept_at = 0.0
        self.registry = own = CollectorRegistry()
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS)
        kept = last_heard.load(heard_file) if heard_file else {}
        self.seen: dict[str, Heard] = {cluster: kept[cluster] for cluster in clusters if cluster in kept}
        self.swept_at = 0.0
        self._created = Counter("lightship_links_created", "Links made.", ["cluster"], registry=own)
        self._ended = Counter(
            "lightship_links_ended",
            "Links that ended, without those that the command `lightship` revoked.",
            ["cluster", "cause"],
            registry=own,
        )
        self._activation = Histogram(
            "lightship_activation_seconds",
            "From a job's claim, known to the second, until its notebook answered and its link was open.",
            ["cluster"],
            buckets=ACTIVATION,
            registry=own,
        )
        self._publish = Histogram(
            "lightship_publish_seconds",
            "Checking a notebook and writing its route, when all was well.",
            buckets=HANDLING,
            registry=own,
        )
        self._refused = Counter("lightship_refused", "Requests refused.", ["action", "code"], registry=own)
        self._requests = Counter("lightship_http_requests", "Requests answered.", ["action", "status"], registry=own)
        self._handling = Histogram(
            "lightship_http_request_seconds",
            "From a request until its answer began.",
            ["action"],
            buckets=HANDLING,
            registry=own,
        )
        self._seen = Gauge(
            "lightship_agent_last_seen_timestamp_seconds",
            "When a request came last that the cluster's key vouches for; nothing until the first.",
            ["cluster"],
            registry=own,
        )
        self._offset = Gauge(
            "lightship_agent_clock_offset_seconds",
            "How much the clock of that request was ahead of this host's; more than 30 either way is refused.",
            ["cluster"],
            registry=own,
        )
        for cluster, heard in self.seen.items():
            self._show_heard(cluster, heard)
        self._swept = Gauge(
            "lightship_sweeper_last_run_timestamp_seconds", "When the sweeper last did a round.", registry=own
        )

    def created(self, cluster: str) -> None:
        """Count."""
        self._created.labels(cluster).inc()

    def ended(self, cluster: str, cause: str) -> None:
        """Count."""
        self._ended.labels(cluster, cause).inc()

    def ready(self, cluster: str, seconds: float) -> None:
        """Observe. After the clock was set back, the time is 0, not negative."""
        self._activation.labels(cluster).observe(max(0.0, seconds))

    def published(self, seconds: float) -> None:
        """Observe."""
        self._publish.observe(seconds)

    def refused(self, action: str, code: str, cluster: str) -> None:
        """Count, and keep for the page."""
        self._refused.labels(action, code).inc()
        self.refusals.appendleft(Refusal(self._clock(), action, code, cluster))

    def answered(self, action: str, status: int, seconds: float) -> None:
        """Count and observe."""
        self._requests.labels(action, str(status)).inc()
        self._handling.labels(action).observe(seconds)

    def heard(self, cluster: str, clock_offset: float) -> None:
        """Note the time and the offset."""
        self.seen[cluster] = heard = Heard(self._clock(), clock_offset)
        self._show_heard(cluster, heard)

    def swept(self) -> None:
        """Note the time, and write the agents' last requests to disk, for which the sweeper's thread may wait."""
        self.swept_at = now = self._clock()
        self._swept.set(now)
        # The absolute difference: a clock that was set back must not stop this.
        if self._heard_file and self.seen and abs(now - self._heard_kept_at) >= KEEP_SECONDS:
            self._heard_kept_at = now
            last_heard.save(self._heard_file, dict(self.seen))

    def _show_heard(self, cluster: str, heard: Heard) -> None:
        self._seen.labels(cluster).set(heard.when)
        self._offset.labels(cluster).set(heard.clock_offset)

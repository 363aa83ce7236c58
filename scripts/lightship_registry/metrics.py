"""Numbers for Prometheus. No label bears a user, a link, an address or anybody's text."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lightship_registry.clock import Clock
from lightship_registry.watching import Watch

REFUSALS = 20
ACTIVATION = (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)
HANDLING = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@dataclass(frozen=True)
class Refusal:
    """A request that was refused, for the page; the cluster is known only if it proved who it is."""

    when: float
    action: str
    code: str
    cluster: str


class Metrics(Watch):
    """Counts since the start of the service, in a registry of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.registry = own = CollectorRegistry()
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS)
        self.seen: dict[str, float] = {}
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
            "When a request came last that the cluster's key vouches for; nothing until the first since the start.",
            ["cluster"],
            registry=own,
        )
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
        """Observe; a clock that was set back makes no negative time."""
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

    def heard(self, cluster: str) -> None:
        """Remember when."""
        self.seen[cluster] = now = self._clock()
        self._seen.labels(cluster).set(now)

    def swept(self) -> None:
        """Remember when."""
        self.swept_at = now = self._clock()
        self._swept.set(now)

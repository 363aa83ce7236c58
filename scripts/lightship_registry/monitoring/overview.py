"""The current state, read from the store and the files at each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from lightship_protocol.states import WAITING
from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.db_errors import explain
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import LIVE
from lightship_registry.core.settings import Settings
from lightship_registry.monitoring import check_report
from lightship_registry.monitoring.check_report import Report
from lightship_registry.pki.certificates import DAY, certificates
from lightship_registry.store.reading import Count, Reader


@dataclass(frozen=True)
class Overview:
    """The current state; the counts are None if the store could not be read."""

    now: float
    counts: dict[tuple[str, str], Count] | None
    days_left: dict[str, float]
    listeners: int
    report: Report

    def oldest_waiting(self) -> dict[str, float]:
        """For each cluster with waiting links, when the oldest of them was made."""
        counts = (self.counts or {}).items()
        return {cluster: count.oldest for (cluster, state), count in counts if state == WAITING and count.links}


class Overviews(Collector):
    """Reads the state anew each time."""

    def __init__(self, settings: Settings, engine: Engine, listeners: Callable[[], int], clock: Clock) -> None:
        self._settings = settings
        self._reader = Reader(engine)
        self._listeners = listeners
        self._clock = clock

    def read(self) -> Overview:
        """Read everything that can be read."""
        now = self._clock()
        report = check_report.load(check_report.path_of(self._settings))
        return Overview(now, self._counts(), self._days_left(now, report), self._listeners(), report)

    def _counts(self) -> dict[tuple[str, str], Count] | None:
        nothing = {(cluster, state): Count(0, 0.0) for cluster in sorted(self._settings.clusters) for state in LIVE}
        try:
            return nothing | self._reader.live()
        except SQLAlchemyError as error:
            audit.problem(f"metrics: {explain(error)}")
            return None

    def _days_left(self, now: float, report: Report) -> dict[str, float]:
        # The public certificate is the web server's, and the service may not read it: the doctor reports it.
        public = {"public": report.public_certificate_ends} if report.public_certificate_ends else {}
        try:
            own = {seen.path.name: seen.ends for seen in certificates(self._settings)}
        except RegistryError as error:
            audit.problem(f"metrics: {error.sentence}")
            own = {}
        return {name: (ends - now) / DAY for name, ends in (own | public).items()}

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: registration must not query the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics for Prometheus."""
        view = self.read()
        yield GaugeMetricFamily("lightship_store_up", "Could the store be asked?", float(view.counts is not None))
        live = GaugeMetricFamily("lightship_links", "Live links.", labels=["cluster", "state"])
        for labels, count in (view.counts or {}).items():
            live.add_metric(labels, count.links)
        yield live
        if self._settings.satellite_networks:
            yield _satellite(view)
        days = GaugeMetricFamily("lightship_certificate_days_left", "How long each lasts.", labels=["certificate"])
        for name, left in view.days_left.items():
            days.add_metric([name], left)
        yield days
        yield from _checks(view.report)
        yield GaugeMetricFamily("lightship_event_listeners", "Pages that listen for changes.", float(view.listeners))


def _checks(report: Report) -> Iterator[Metric]:
    if not report.time:
        return
    text = "What `lightship doctor` found at its last round: 0 in order, 1 a warning, 2 wrong."
    levels = GaugeMetricFamily("lightship_check_level", text, labels=["check"])
    for check, level in sorted(report.levels.items()):
        levels.add_metric([check], level)
    yield levels
    text = "Did the last renewal of the public certificate fail, and why?"
    failed = GaugeMetricFamily("lightship_certificate_renewal_failed", text, labels=["reason"])
    failed.add_metric([report.renewal_failure or "none"], float(bool(report.renewal_failure)))
    yield failed
    text = "Did the last renewal of a workstation's certificate fail, and why?"
    theirs = GaugeMetricFamily("lightship_workstation_renewal_failed", text, labels=["workstation", "reason"])
    for name, reason in sorted(report.workstation_failures.items()):
        theirs.add_metric([name, reason], 1.0)
    yield theirs
    text = "When the timer last had `lightship doctor` look at everything."
    yield GaugeMetricFamily("lightship_check_last_run_timestamp_seconds", text, report.time)


def _satellite(view: Overview) -> Metric:
    text = "Those of the live links that were made through the Satellite interface."
    theirs = GaugeMetricFamily("lightship_satellite_links", text, labels=["cluster", "state"])
    for labels, count in (view.counts or {}).items():
        theirs.add_metric(labels, count.satellite)
    return theirs

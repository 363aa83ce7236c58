"""Ends the links that are over, and makes the route files agree with the store."""

from __future__ import annotations

from lightship_registry.core import audit
from lightship_registry.core.clock import Clock
from lightship_registry.core.records import BETTER_KNOWN, SCHEDULER, Cause, Ending, JobReport
from lightship_registry.links.routes import Routes, Routing
from lightship_registry.store.jobs import JobStore
from lightship_registry.store.links import LinkStore
from lightship_registry.store.satellite import SatelliteStore

# A missed lease closes the route at once, and the next heartbeat opens it again. A link ends only after a much longer
# silence: a network failure, or a flood of traffic at the node, must not cost anybody their kernels.
SILENCE_SECONDS = 3600.0
# Ten minutes, as every job has for its first answer: a program that listens later is probably another job's.
ANNOUNCED_SECONDS = 600.0

JOB_OVER = "The job is over."
NOT_STARTED = Ending(Cause.NOT_STARTED, "The job did not start in time.")
TIME_OVER = Ending(Cause.TIME_LIMIT, "The time asked for is over.")
SILENT = Ending(Cause.SILENT, "The notebook's node fell silent.")
UNANSWERED = Ending(Cause.FAILED, "No notebook answered at the port that its job named.")


class Reconciler:
    """Ends links by the clock and by the schedulers' reports, and mends the route files."""

    def __init__(
        self,
        store: LinkStore,
        jobs: JobStore,
        satellite: SatelliteStore,
        routing: Routing,
        routes: Routes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._satellite = satellite
        self._routing = routing
        self._routes = routes
        self._clock = clock

    def end_due(self, *, spare_silent: bool) -> None:
        """End links that are over; not the silent ones if no heartbeat could arrive for a while, as after a start."""
        with self._routing.hold():
            now = self._clock()
            self._routing.close_all(self._store.end_waiting(NOT_STARTED, now), NOT_STARTED)
            self._routing.close_all(self._store.end_overdue(TIME_OVER, now), TIME_OVER)
            if not spare_silent:
                self._routing.close_all(self._store.end_silent(SILENT, now, SILENCE_SECONDS), SILENT)
                unanswered = self._satellite.end_unanswered(UNANSWERED, now, ANNOUNCED_SECONDS)
                self._routing.close_all(unanswered, UNANSWERED)

    def end_job(self, cluster: str, report: JobReport) -> None:
        """End the links of a job that ended and cannot report that itself."""
        ending = Ending(report.cause or Cause.ENDED, report.reason or JOB_OVER, told_by=SCHEDULER)
        with self._routing.hold():
            self._routing.close_all(self._jobs.end(cluster, report, ending, self._clock()), ending)

    def correct(self, cluster: str, report: JobReport) -> None:
        """Replace the cause that a job gave for its end where its scheduler knows better: a job sees only a signal."""
        if not (report.cause and report.user):
            return
        better = report.cause in BETTER_KNOWN
        ending = Ending(report.cause, report.reason or JOB_OVER) if better else None
        for name in self._jobs.correct(cluster, report, ending, self._clock()):
            if ending:
                audit.record(audit.Event("correct", "ok", cluster, report.user, name, reason=ending.cause))

    def restore(self) -> None:
        """Write all route files anew: those of links with a lease, and of silent links those that exist."""
        with self._routing.hold():
            now = self._clock()
            self._routes.restore(self._store.live_routes(now), self._store.silent_routes(now))

    def reconcile(self, *, spare_silent: bool) -> None:
        """Make the route files agree with the store; those of silent links are spared as in `end_due`."""
        with self._routing.hold():
            now = self._clock()
            live, silent = self._store.live_routes(now), self._store.silent_routes(now) if spare_silent else {}
            live = {name: route for name, route in live.items() if not self._routing.is_shut(name)}
            changed = self._routes.reconcile(live, silent)
            # After a crash between the end of a link and that of its route, the cut is still missing.
            for link in filter(None, map(self._store.find, changed)):
                self._routing.cut(link)
        if changed:
            audit.notice(f"{len(changed)} route files did not match the store and were put right.")

    def differing_routes(self) -> list[str]:
        """The names whose route file differs from the store; nothing is changed."""
        with self._routing.hold():
            now = self._clock()
            return self._routes.differing(self._store.live_routes(now), self._store.silent_routes(now))

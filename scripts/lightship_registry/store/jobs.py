"""The jobs of links: which ones the agents check, and what the schedulers report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from lightship_protocol.states import ENDED, JOB_ENDED, READY, STARTING, WAITING
from lightship_registry.core.interfaces import V1
from lightship_registry.core.records import DOUBTFUL, JOB, SCHEDULER, Ending, JobReport
from lightship_registry.store.database import Database
from lightship_registry.store.schema import links
from lightship_registry.store.statements import end_all

# How long after a job reported its own end the scheduler may correct it.
DOUBT_SECONDS = 600.0
# Agents speak of the jobs that they vouched for. In a link of Satellite's, anybody may have written any job.
_VOUCHED = links.c.api == V1.name


class JobStore:
    """The jobs of the links that agents vouched for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def watched(self, cluster: str, now: float, most: int) -> list[str]:
        """The jobs to ask the scheduler about: those not ready yet, silent, or ended lately."""
        quiet = or_(links.c.state != READY, links.c.lease_until <= now)
        mine = select(links.c.job_id).where(_live_in(cluster), quiet, links.c.job_id != "")
        over = select(links.c.job_id).where(_doubtful_in(cluster, now)).order_by(links.c.ended_at).limit(most)
        with self._database.read() as connection:
            oldest_first = mine.group_by(links.c.job_id).order_by(func.min(links.c.job_seen_at)).limit(most)
            listed = [*connection.execute(oldest_first).scalars(), *connection.execute(over).scalars()]
            return list(dict.fromkeys(listed))[:most]

    def doubtful(self, cluster: str, now: float) -> set[str]:
        """The jobs that lately reported their own end, and may be wrong about its cause."""
        with self._database.read() as connection:
            return set(connection.execute(select(links.c.job_id).where(_doubtful_in(cluster, now))).scalars())

    def correct(self, cluster: str, report: JobReport, ending: Ending | None, now: float) -> list[str]:
        """Replace the cause that a job gave by the scheduler's, or keep it if there is none; the names of the links.

        The scheduler is asked once. The job must belong to the link's owner: an owner may write any job into a link.
        """
        mine = and_(_doubtful_in(cluster, now), links.c.job_id == report.job_id, links.c.user == report.user)
        told = {"cause": ending.cause.value, "reason": ending.reason} if ending else {}
        statement = update(links).where(mine).values(told_by=SCHEDULER, **told)
        with self._database.write() as connection:
            return list(connection.execute(statement.returning(links.c.name)).scalars())

    def live(self, cluster: str) -> dict[str, list[tuple[str, str]]]:
        """The names and users of the cluster's live links, by job."""
        wanted = select(links.c.job_id, links.c.name, links.c.user).where(_live_in(cluster), links.c.job_id != "")
        found: dict[str, list[tuple[str, str]]] = {}
        with self._database.read() as connection:
            for job_id, name, user in connection.execute(wanted):
                found.setdefault(job_id, []).append((name, user))
        return found

    def report(self, reports: Iterable[JobReport], known: Mapping[str, Sequence[tuple[str, str]]], now: float) -> None:
        """Store the reports on the jobs of `live`, for links that have not ended since."""
        said: dict[str, dict[str, object]] = {}
        for report in reports:
            values: dict[str, object] = {"job_seen_at": now}
            if report.state != JOB_ENDED or report.cause:
                values |= {"job_state": report.state, "job_reason": report.reason, "job_start": report.start}
            said |= {name: values for name, user in known.get(report.job_id, ()) if report.user in ("", user)}
        with self._database.write() as connection:
            # In a fixed order, or two proxies on one database could deadlock.
            for name in sorted(said):
                connection.execute(update(links).where(links.c.name == name, links.c.state != ENDED).values(said[name]))

    def end(self, cluster: str, report: JobReport, ending: Ending, now: float) -> list[str]:
        """End the links of an ended job, unless the job itself can still report its end; their names.

        A job that is only missing from the list may not be listed yet, or be hidden from the agent: it counts as ended
        only if it was listed before.
        """
        if report.cause:
            silent = and_(links.c.state == READY, links.c.lease_until <= now)
            over = or_(links.c.state.in_([WAITING, STARTING]), silent)
        else:
            over = and_(links.c.state == WAITING, links.c.job_state.not_in(["", JOB_ENDED]))
        owner = [links.c.user == report.user] if report.user else []
        return end_all(self._database, ending, now, _live_in(cluster), links.c.job_id == report.job_id, *owner, over)


def _live_in(cluster: str) -> ColumnElement[bool]:
    # Ended links outnumber live ones by far. Each state is named and the cluster is compared as an expression, or
    # SQLite would scan all links that the cluster ever had.
    return and_(links.c.state.in_([WAITING, STARTING, READY]), links.c.cluster.concat("") == cluster, _VOUCHED)


def _doubtful_in(cluster: str, now: float) -> ColumnElement[bool]:
    lately = and_(links.c.told_by == JOB, links.c.ended_at > now - DOUBT_SECONDS)
    # As above: so SQLite uses the index by teller, which finds only a few rows.
    mine = and_(links.c.cluster.concat("") == cluster, _VOUCHED, links.c.job_id != "")
    return and_(lately, links.c.state == ENDED, links.c.cause.in_(DOUBTFUL), mine)

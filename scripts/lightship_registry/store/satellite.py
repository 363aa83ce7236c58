"""Statements for the Satellite interface, which finds links of its own alone, by `find` and `running`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum, auto

from sqlalchemy import ColumnElement, and_, bindparam, func, select, update

from lightship_protocol.states import ENDED, READY, STARTING, WAITING
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import Ending, Link, is_whole
from lightship_registry.store.database import Database
from lightship_registry.store.schema import links
from lightship_registry.store.statements import FIND, end_all, ended_values

# The same state of a job is written again only after this time.
SEEN_SECONDS = 30.0
_THEIRS = links.c.api == SATELLITE.name
# Built once, as those in statements.py.
_FIND = FIND.where(_THEIRS, links.c.cluster == bindparam("of_cluster", type_=links.c.cluster.type))


class Announced(Enum):
    """The outcome of an announcement."""

    DONE = auto()
    USED = auto()  # the link no longer waits
    TAKEN = auto()  # another live link has the target


class SatelliteStore:
    """What the Satellite interface does with its links besides the common life of a link."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str, cluster: str) -> Link | None:
        """The link, if it is Satellite's and of this cluster."""
        with self._database.read() as connection:
            row = connection.execute(_FIND, {"of_name": name, "of_cluster": cluster}).one_or_none()
            return Link(**row._mapping) if row else None

    def link_job(self, name: str, cluster: str, job_id: str) -> bool:
        """Set the job, once."""
        free = and_(links.c.state != ENDED, links.c.job_id == "")
        return self._database.change(update(links).where(_one(name, cluster), free).values(job_id=job_id), {})

    def announce(
        self, link: Link, target: str, ending: Ending, now: float, expires_at: float
    ) -> tuple[Announced, list[str]]:
        """Announce a target, once, while the link waits and no live link has the target.

        Older links that announced the same target end; their names. An announcement reserves nothing: only publication
        does.
        """
        waits = and_(links.c.state == WAITING, links.c.expires_at > now)
        mine = update(links).where(_one(link.name, link.cluster), waits)
        rivals = (links.c.state == STARTING, links.c.announced == target, links.c.name != link.name)
        with self._database.write("target", target) as connection:
            taken = select(links.c.name).where(links.c.state == READY, links.c.target == target).limit(1)
            if connection.execute(taken).first():
                return Announced.TAKEN, []
            values = {"state": STARTING, "announced": target, "expires_at": expires_at}
            if connection.execute(mine.values(values)).rowcount != 1:
                return Announced.USED, []
            older = update(links).where(*rivals).values(ended_values(ending, now)).returning(links.c.name)
            return Announced.DONE, list(connection.execute(older).scalars())

    def note_program(self, name: str, cluster: str, mark: str) -> None:
        """Store the mark of the program to which the link is bound."""
        mine = update(links).where(_one(name, cluster), links.c.state == STARTING)
        self._database.change(mine.values(program_mark=mark), {})

    def rests_until(self, target: str, rest_seconds: float) -> float:
        """When the rest of the target ends; 0 if no ended link had it."""
        latest = select(func.max(links.c.ended_at)).where(links.c.target == target)
        with self._database.read() as connection:
            ended_at: float = connection.execute(latest).scalar() or 0.0
        return ended_at + rest_seconds if ended_at else 0.0

    def report_jobs(self, cluster: str, said: Mapping[str, str], now: float) -> None:
        """Store the reported states of live links' jobs; they are only shown."""
        wanted = select(links.c.name, links.c.job_id, links.c.job_state, links.c.job_seen_at)
        with self._database.read() as connection:
            rows = connection.execute(wanted.where(_live(cluster), links.c.job_id != "")).all()
        # Frequent reports of the same state must not cause frequent writes.
        told = {
            row.name: said[row.job_id]
            for row in rows
            if row.job_id in said and (row.job_state != said[row.job_id] or now - row.job_seen_at >= SEEN_SECONDS)
        }
        if not told:
            return
        with self._database.write() as connection:
            for name in sorted(told):
                mine = update(links).where(links.c.name == name, links.c.state != ENDED)
                connection.execute(mine.values(job_state=told[name], job_seen_at=now))

    def running(self, clusters: Collection[str], now: float) -> list[Link]:
        """The links whose notebooks must be checked, published or not."""
        wanted = and_(links.c.state.in_([STARTING, READY]), _THEIRS, links.c.expires_at > now)
        with self._database.read() as connection:
            rows = connection.execute(select(links).where(wanted, links.c.cluster.in_(sorted(clusters))))
            found = [Link(**row._mapping) for row in rows]
        return [link for link in found if is_whole(link.name, link.target or link.announced)]

    def end_unanswered(self, ending: Ending, now: float, patience: float) -> list[str]:
        """End the links that were announced that many seconds ago and never answered; their names."""
        announced_at = links.c.expires_at - links.c.seconds
        return end_all(
            self._database,
            ending,
            now,
            links.c.state == STARTING,
            _THEIRS,
            announced_at <= now - patience,
        )


def _live(cluster: str) -> ColumnElement[bool]:
    # Written as in `jobs._live_in`, or SQLite would scan all links that the cluster ever had.
    alive = links.c.state.in_([WAITING, STARTING, READY])
    return and_(alive, links.c.cluster.concat("") == cluster, _THEIRS)


def _one(name: str, cluster: str) -> ColumnElement[bool]:
    return and_(links.c.name == name, _THEIRS, links.c.cluster == cluster)

"""The ancestor's links in the store: each statement is for them alone, and for those of one cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, select, update

from lightship_registry.records import ANCESTOR, ENDED, READY, STARTING, WAITING, Ending, Link
from lightship_registry.schema import links

# How long what was said of a job counts as said just now.
SEEN_SECONDS = 30.0

if TYPE_CHECKING:
    from lightship_registry.store import Store


class AncestorStore:
    """What only they can be: linked to a job by anybody of the cluster, announced, and looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str, cluster: str) -> Link | None:
        """The link, if it is one of theirs and of this cluster's."""
        link = self._store.find(name)
        return link if link and link.api == ANCESTOR and link.cluster == cluster else None

    def link_job(self, name: str, cluster: str, job_id: str) -> bool:
        """Once."""
        free = and_(links.c.state != ENDED, links.c.job_id == "")
        return self._store.change(update(links).where(_one(name, cluster), free).values(job_id=job_id), {})

    def announce(self, name: str, cluster: str, target: str, now: float, expires_at: float) -> bool:
        """Once, while the link waits. Nobody's rest or claim of that target begins before it is published."""
        waits = and_(links.c.state == WAITING, links.c.expires_at > now)
        values = {"state": STARTING, "announced": target, "expires_at": expires_at}
        return self._store.change(update(links).where(_one(name, cluster), waits).values(values), {})

    def report_jobs(self, cluster: str, said: Mapping[str, str], now: float) -> None:
        """Keep what was said of the jobs of live links; it is shown and changes nothing else."""
        wanted = select(links.c.name, links.c.job_id, links.c.job_state, links.c.job_seen_at)
        with self._store.read() as connection:
            rows = connection.execute(wanted.where(_live(cluster), links.c.job_id != "")).all()
        # Whoever reports again and again writes no more often for it.
        told = {
            row.name: said[row.job_id]
            for row in rows
            if row.job_id in said and (row.job_state != said[row.job_id] or now - row.job_seen_at >= SEEN_SECONDS)
        }
        if not told:
            return
        with self._store.write() as connection:
            for name in sorted(told):
                mine = update(links).where(links.c.name == name, links.c.state != ENDED)
                connection.execute(mine.values(job_state=told[name], job_seen_at=now))

    def running(self, clusters: Collection[str], now: float) -> list[Link]:
        """Those whose notebook is to be looked at, published or not."""
        wanted = and_(links.c.state.in_([STARTING, READY]), links.c.api == ANCESTOR, links.c.expires_at > now)
        with self._store.read() as connection:
            rows = connection.execute(select(links).where(wanted, links.c.cluster.in_(sorted(clusters))))
            return [Link(**row._mapping) for row in rows]

    def end_unanswered(self, ending: Ending, now: float, patience: float) -> list[str]:
        """End those that were announced that many seconds ago and never answered; their names."""
        announced_at = links.c.expires_at - links.c.seconds
        return self._store.end_all(
            ending, now, links.c.state == STARTING, links.c.api == ANCESTOR, announced_at <= now - patience
        )


def _live(cluster: str) -> ColumnElement[bool]:
    # Spelled out as in `store._live_in`, or SQLite would go through all links that the cluster ever had.
    alive = links.c.state.in_([WAITING, STARTING, READY])
    return and_(alive, links.c.cluster.concat("") == cluster, links.c.api == ANCESTOR)


def _theirs(cluster: str) -> ColumnElement[bool]:
    return and_(links.c.api == ANCESTOR, links.c.cluster == cluster)


def _one(name: str, cluster: str) -> ColumnElement[bool]:
    return and_(links.c.name == name, _theirs(cluster))

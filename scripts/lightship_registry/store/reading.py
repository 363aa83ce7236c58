"""Queries for administrators; they change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select

from lightship_protocol.states import ENDED, READY, STARTING
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import LIVE, Link
from lightship_registry.store.schema import links


@dataclass(frozen=True)
class Count:
    """A number of links, the time at which the first was made, and how many of them are Satellite's."""

    links: int
    oldest: float
    satellite: int = 0


class Reader:
    """Queries over all owners, which no request of the API may make."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def links(self, states: Sequence[str], cluster: str = "", user: str = "", limit: int = -1) -> list[Link]:
        """The links in these states, newest first; only of the cluster and the user, if given."""
        query = select(links).where(links.c.state.in_(states)).order_by(links.c.created_at.desc(), links.c.name)
        if cluster:
            query = query.where(links.c.cluster == cluster)
        if user:
            query = query.where(links.c.user == user)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(limit) if limit >= 0 else query)
            return [Link(**row._mapping) for row in rows]

    def claimed_until(self, moment: float) -> list[Link]:
        """The links that run and were claimed no later than this moment, the one that ends last first.

        Those of Satellite's are left out: they have no certificate.
        """
        # A claim gives the link all its time, so its end tells when the claim was.
        claimed_at = links.c.expires_at - links.c.seconds
        runs = links.c.state.in_([STARTING, READY]), links.c.certificate_sha256 != ""
        query = select(links).where(*runs, claimed_at <= moment).order_by(links.c.expires_at.desc(), links.c.name)
        with self._engine.connect() as connection:
            return [Link(**row._mapping) for row in connection.execute(query)]

    def live(self) -> dict[tuple[str, str], Count]:
        """The live links, counted by cluster and state; pairs without links are left out."""
        theirs = func.sum(case((links.c.api == SATELLITE.name, 1), else_=0))
        found = select(links.c.cluster, links.c.state, func.count(), func.min(links.c.created_at), theirs)
        query = found.where(links.c.state.in_(LIVE)).group_by(links.c.cluster, links.c.state)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return {
            (cluster, state): Count(int(n), float(oldest), int(satellite))
            for cluster, state, n, oldest, satellite in rows
        }

    def clusters(self) -> dict[str, tuple[int, float]]:
        """For each cluster the number of live links, and when the last link was made."""
        live = func.sum(case((links.c.state != ENDED, 1), else_=0))
        query = select(links.c.cluster, live, func.max(links.c.created_at)).group_by(links.c.cluster)
        with self._engine.connect() as connection:
            return {cluster: (int(count), float(last)) for cluster, count, last in connection.execute(query)}

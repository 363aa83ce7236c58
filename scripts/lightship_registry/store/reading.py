"""What an administrator asks of the store; it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select

from lightship_protocol.states import ENDED
from lightship_registry.core.interfaces import SATELLITE
from lightship_registry.core.records import LIVE, Link
from lightship_registry.store.schema import links


@dataclass(frozen=True)
class Count:
    """How many links, when the first of them was made, and how many are of the Satellite interface."""

    links: int
    oldest: float
    satellite: int = 0


class Reader:
    """Questions over all owners, which no request of the API may ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def links(self, states: Sequence[str], cluster: str = "", user: str = "", limit: int = -1) -> list[Link]:
        """The links in these states, newest first; of one cluster or user if named."""
        query = select(links).where(links.c.state.in_(states)).order_by(links.c.created_at.desc(), links.c.name)
        if cluster:
            query = query.where(links.c.cluster == cluster)
        if user:
            query = query.where(links.c.user == user)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(limit) if limit >= 0 else query)
            return [Link(**row._mapping) for row in rows]

    def live(self) -> dict[tuple[str, str], Count]:
        """How many links of each cluster are waiting, starting and ready; a pair without links is left out."""
        theirs = func.sum(case((links.c.api == SATELLITE.name, 1), else_=0))
        found = select(links.c.cluster, links.c.state, func.count(), func.min(links.c.created_at), theirs)
        query = found.where(links.c.state.in_(LIVE)).group_by(links.c.cluster, links.c.state)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return {(cluster, state): Count(int(n), float(oldest), int(old)) for cluster, state, n, oldest, old in rows}

    def clusters(self) -> dict[str, tuple[int, float]]:
        """How many links of each cluster are live, and when its last one was made."""
        live = func.sum(case((links.c.state != ENDED, 1), else_=0))
        query = select(links.c.cluster, live, func.max(links.c.created_at)).group_by(links.c.cluster)
        with self._engine.connect() as connection:
            return {cluster: (int(count), float(last)) for cluster, count, last in connection.execute(query)}

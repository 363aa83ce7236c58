"""Each change of a link's state is one conditional statement; its row count says whether the change happened."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Row, Update, and_, select, update
from sqlalchemy.exc import IntegrityError

from lightship_protocol.states import ENDED, READY, STARTING, WAITING
from lightship_registry.core.errors import no_such_link
from lightship_registry.core.interfaces import INTERFACES, interface_of
from lightship_registry.core.records import (
    NOWHERE,
    Creation,
    Ending,
    Glance,
    Link,
    Location,
    NewLink,
    Owner,
    is_whole,
)
from lightship_registry.store import statements
from lightship_registry.store.database import Database
from lightship_registry.store.schema import links
from lightship_registry.store.statements import end_all

HOUR = 3600
PROVEN = [each.name for each in INTERFACES if each.proves_owner]


class LinkStore:
    """The links of both interfaces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> Link | None:
        """The link; None if there is none."""
        with self._database.read() as connection:
            return _link(connection.execute(statements.FIND, {"of_name": name}).one_or_none())

    def get(self, name: str) -> Link:
        """The link; an error if there is none."""
        link = self.find(name)
        if link is None:
            raise no_such_link()
        return link

    def glance(self, name: str) -> Glance:
        """The few values that a page needs first; empty if there is no link. It costs the same for every name."""
        with self._database.read() as connection:
            row = connection.execute(statements.GLANCE, {"of_name": name}).one_or_none()
            return Glance(**row._mapping) if row else Glance()

    def live_routes(self, now: float) -> dict[str, str]:
        """The routes that must exist, by name."""
        return self._routes(now, links.c.lease_until > now)

    def silent_routes(self, now: float) -> dict[str, str]:
        """The routes that are missing only because their lease ran out, by name.

        Satellite's links have none: for a plain HTTP notebook, only the lease shows that it is still the same.
        """
        return self._routes(now, and_(links.c.lease_until <= now, links.c.api.in_(PROVEN)))

    def _routes(self, now: float, lease: ColumnElement[bool]) -> dict[str, str]:
        columns = select(links.c.name, links.c.api, links.c.target)
        with self._database.read() as connection:
            rows = connection.execute(columns.where(links.c.state == READY, links.c.expires_at > now, lease))
            # The link of a damaged row stays closed: it must not keep the others from their routes.
            whole = [row for row in rows if is_whole(row.name, row.target)]
        return {row.name: interface_of(row.api).route(row.target) for row in whole}

    def create(self, link: NewLink, quota: int, hourly: int) -> Creation:
        """Make the link, unless its owner's allowance is used up or the name was ever given."""
        values = {
            "new_name": link.name,
            "new_cluster": link.owner.cluster,
            "new_user": link.owner.user,
            "new_secret_sha256": link.secret_sha256,
            **{f"new_{key}": value for key, value in vars(link.request).items()},
            "new_api": link.api,
            "new_created_at": link.created_at,
            "new_expires_at": link.expires_at,
            "an_hour_ago": link.created_at - HOUR,
            "quota": quota,
            "hourly": hourly,
        }
        try:
            with self._database.write("owner", link.owner.cluster, link.owner.user) as connection:
                if connection.execute(statements.CREATE, values).rowcount == 1:
                    return Creation.DONE
                # No other transaction of this owner runs, so the statement above saw the same count.
                busy = connection.execute(statements.MADE_LATELY, values).scalar_one() >= hourly
        except IntegrityError:
            return Creation.NAME_TAKEN
        return Creation.TOO_MANY if busy else Creation.OVER_QUOTA

    def may_create_at(self, owner: Owner, hourly: int) -> float:
        """When an owner who made the hourly number of links may make the next."""
        latest = select(links.c.created_at).where(_owned(owner)).order_by(links.c.created_at.desc())
        with self._database.read() as connection:
            return HOUR + (connection.execute(latest.offset(hourly - 1).limit(1)).scalar() or 0.0)

    def set_job(self, name: str, owner: Owner, job_id: str) -> bool:
        """Set the job, once; setting the same job again succeeds."""
        free = links.c.job_id.in_(["", job_id])
        return self._database.change(_of(name, _owned(owner), links.c.state != ENDED, free).values(job_id=job_id), {})

    def claim(
        self, name: str, certificate_sha256: str, now: float, expires_at: float, location: Location = NOWHERE
    ) -> bool:
        """Claim the link, once, while it waits."""
        values = {"of_name": name, "print": certificate_sha256, "now": now, "expires": expires_at}
        told = {f"at_{key}": value for key, value in vars(location).items()}
        return self._database.change(statements.CLAIM, {**values, **told})

    def publish(self, name: str, target: str, now: float, lease_until: float, rested_since: float) -> Link | None:
        """Give the link its target; None if another link has it or had it until lately, or this one cannot have one."""
        values = {"of_name": name, "at": target, "now": now, "lease": lease_until, "rested_since": rested_since}
        try:
            return _link(self._database.changed(statements.PUBLISH, values, "target", target))
        except IntegrityError:
            # The unique index knows what the statement could not see yet: another link has just taken the target.
            return None

    def had_target(self, name: str, target: str) -> bool:
        """Whether another link ever had the target."""
        with self._database.read() as connection:
            return connection.execute(statements.HAD_TARGET, {"of_name": name, "at": target}).first() is not None

    def renew(self, name: str, now: float, lease_until: float) -> Link | None:
        """Renew the lease of a claimed link that has not expired; None for any other."""
        return _link(self._database.changed(statements.RENEW, {"of_name": name, "now": now, "lease": lease_until}))

    def end(self, name: str, ending: Ending, now: float) -> Link | None:
        """End the link; None if it had ended before, and the first ending stays."""
        told = {
            "why": ending.cause.value,
            "sentence": ending.reason,
            "last_lines": ending.tail,
            "teller": ending.told_by,
        }
        return _link(self._database.changed(statements.END, {"of_name": name, "now": now, **told}))

    def end_waiting(self, ending: Ending, now: float) -> list[str]:
        """End the links that no job claimed in time; their names."""
        return end_all(self._database, ending, now, links.c.state == WAITING, links.c.expires_at <= now)

    def end_overdue(self, ending: Ending, now: float) -> list[str]:
        """End the links that have expired; their names."""
        return end_all(self._database, ending, now, links.c.state.in_([STARTING, READY]), links.c.expires_at <= now)

    def end_silent(self, ending: Ending, now: float, silence: float) -> list[str]:
        """End the links whose lease ran out that many seconds ago; their names."""
        return end_all(self._database, ending, now, links.c.state == READY, links.c.lease_until <= now - silence)


def _of(name: str, *conditions: ColumnElement[bool]) -> Update:
    return update(links).where(links.c.name == name, *conditions)


def _owned(owner: Owner) -> ColumnElement[bool]:
    return and_(links.c.cluster == owner.cluster, links.c.user == owner.user)


def _link(row: Row[tuple[object, ...]] | None) -> Link | None:
    return None if row is None else Link(**row._mapping)

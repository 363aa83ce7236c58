"""Every change of a link's state: one conditional statement each, whose row count says whether it happened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    Insert,
    Row,
    Update,
    and_,
    delete,
    event,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from lightship_protocol.states import ENDED, JOB_ENDED, READY, STARTING, WAITING
from lightship_registry.core.places import Places
from lightship_registry.core.records import (
    DOUBTFUL,
    JOB,
    NOWHERE,
    SCHEDULER,
    V1,
    Creation,
    Ending,
    Glance,
    JobReport,
    Link,
    Location,
    NewLink,
    Owner,
    route_to,
)
from lightship_registry.store import statements
from lightship_registry.store.schema import BUSY_SECONDS, is_sqlite, links, nonces
from lightship_registry.store.sqlite_writing import Turns, take_in_log

HOUR = 3600
# How long after a job's own word of its end the scheduler's is waited for.
DOUBT_SECONDS = 600.0


class Store:
    """The only place that speaks SQL, that of SQLite and that of PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        # By default only SQLite's driver tells how many rows an INSERT made.
        self._engine = engine.execution_options(preserve_rowcount=True)
        on_file = is_sqlite(engine.url)
        self.places = Places()
        self._turns = Turns(self.places) if on_file else None
        insert_of = sqlite.insert if on_file else postgresql.insert
        self._spend = insert_of(nonces).on_conflict_do_nothing()
        # How often the database failed to do what it was asked: meanwhile heartbeats may have been lost.
        self.failures = 0
        event.listen(engine, "handle_error", self._count_failure)

    def _count_failure(self, context: ExceptionContext) -> None:
        # What a constraint refuses is an answer, not a failure.
        if not isinstance(context.sqlalchemy_exception, IntegrityError):
            self.failures += 1

    def read(self) -> Connection:
        """A connection for questions."""
        return self._engine.connect()

    @contextmanager
    def write(self, *queue: str) -> Iterator[Connection]:
        """A transaction; those with the same queue come one after the other."""
        with self._turn(), self._engine.connect() as connection:
            if self._turns:
                self._turns.begin(connection)
            elif queue:
                # PostgreSQL does not show a statement what others are about to commit: two of them could both find
                # room for one more. The lock goes with the transaction.
                connection.execute(select(func.pg_advisory_xact_lock(literal(_number_of(queue), BigInteger))))
            yield connection
            connection.commit()

    def _turn(self) -> AbstractContextManager[None]:
        return self._turns.turn() if self._turns else nullcontext()

    def settle(self, seconds: float = BUSY_SECONDS) -> bool:
        """Take what was written out of reach of damage in the log; false if others were in the way."""
        with self._turn():
            return take_in_log(self._engine, seconds)

    def change(self, statement: Insert | Update, values: Mapping[str, object], *queue: str) -> bool:
        """Make one change; false if there was nothing to change."""
        with self.write(*queue) as connection:
            return connection.execute(statement, values).rowcount == 1

    def find(self, name: str) -> Link | None:
        """One link, or nothing."""
        with self.read() as connection:
            return _link(connection.execute(statements.FIND, {"of_name": name}).one_or_none())

    def glance(self, name: str) -> Glance:
        """A link's state and its token's digest; empty if there is none. It costs the same for every name."""
        with self._engine.connect() as connection:
            row = connection.execute(statements.GLANCE, {"of_name": name}).one_or_none()
            return Glance(**row._mapping) if row else Glance()

    def live_routes(self, now: float) -> dict[str, str]:
        """Name and route of every link that must have one."""
        return self._routes(now, links.c.lease_until > now)

    def silent_routes(self, now: float) -> dict[str, str]:
        """Name and route of every link that would have one but for its lease, which ran out.

        None of Satellite's: of a notebook in the clear nothing but the lease says that it is still the same.
        """
        return self._routes(now, and_(links.c.lease_until <= now, links.c.api == V1))

    def _routes(self, now: float, lease: ColumnElement[bool]) -> dict[str, str]:
        columns = select(links.c.name, links.c.api, links.c.target)
        with self.read() as connection:
            rows = connection.execute(columns.where(links.c.state == READY, links.c.expires_at > now, lease))
            return {row.name: route_to(row.api, row.target) for row in rows}

    def spend_nonce(self, cluster: str, nonce: str, now: float) -> bool:
        """False if it was spent before."""
        return self.change(self._spend, {"cluster": cluster, "nonce": nonce, "seen_at": now})

    def forget_nonces(self, before: float) -> None:
        """Drop those whose time stamp no signature can bear any more."""
        with self.write() as connection:
            connection.execute(delete(nonces).where(nonces.c.seen_at < before))

    def create(self, link: NewLink, quota: int, hourly: int) -> Creation:
        """Make the link, unless its owner has or lately made as many as are allowed, or the name was ever given."""
        values = {
            "new_name": link.name,
            "new_cluster": link.owner.cluster,
            "new_user": link.owner.user,
            "new_secret_sha256": link.secret_sha256,
            **{f"new_{key}": value for key, value in asdict(link.wish).items()},
            "new_api": link.api,
            "new_created_at": link.created_at,
            "new_expires_at": link.expires_at,
            "an_hour_ago": link.created_at - HOUR,
            "quota": quota,
            "hourly": hourly,
        }
        try:
            with self.write("owner", link.owner.cluster, link.owner.user) as connection:
                if connection.execute(statements.CREATE, values).rowcount == 1:
                    return Creation.DONE
                # Nobody else makes one meanwhile, so this is what the statement saw.
                busy = connection.execute(statements.MADE_LATELY, values).scalar_one() >= hourly
        except IntegrityError:
            return Creation.NAME_TAKEN
        return Creation.TOO_MANY if busy else Creation.OVER_QUOTA

    def may_create_at(self, owner: Owner, hourly: int) -> float:
        """When an owner who made that many within the hour may make the next."""
        latest = select(links.c.created_at).where(_owned(owner)).order_by(links.c.created_at.desc())
        with self.read() as connection:
            return HOUR + (connection.execute(latest.offset(hourly - 1).limit(1)).scalar() or 0.0)

    def set_job(self, name: str, owner: Owner, job_id: str) -> bool:
        """Once; the same job again is no change and no error."""
        free = links.c.job_id.in_(["", job_id])
        return self.change(_of(name, _owned(owner), links.c.state != ENDED, free).values(job_id=job_id), {})

    def claim(
        self, name: str, certificate_sha256: str, now: float, expires_at: float, location: Location = NOWHERE
    ) -> bool:
        """Once, while the link waits."""
        values = {"of_name": name, "print": certificate_sha256, "now": now, "expires": expires_at}
        told = {f"at_{key}": value for key, value in asdict(location).items()}
        return self.change(statements.CLAIM, {**values, **told})

    def publish(self, name: str, target: str, now: float, lease_until: float, rested_since: float) -> bool:
        """Give the link its target, unless another link has it or had it too lately."""
        values = {"of_name": name, "at": target, "now": now, "lease": lease_until, "rested_since": rested_since}
        try:
            return self.change(statements.PUBLISH, values, "target", target)
        except IntegrityError:
            # The unique index saw what the statement could not see yet: another link took the target at this moment.
            return False

    def had_target(self, name: str, target: str) -> bool:
        """Was the target ever another link's?"""
        with self.read() as connection:
            return connection.execute(statements.HAD_TARGET, {"of_name": name, "at": target}).first() is not None

    def renew(self, name: str, now: float, lease_until: float) -> bool:
        """A heartbeat counts for claimed links whose time is not over."""
        return self.change(statements.RENEW, {"of_name": name, "now": now, "lease": lease_until})

    def end(self, name: str, ending: Ending, now: float) -> bool:
        """False if it had ended before; the first ending stays."""
        told = {
            "why": ending.cause.value,
            "sentence": ending.reason,
            "last_lines": ending.tail,
            "teller": ending.told_by,
        }
        return self.change(statements.END, {"of_name": name, "now": now, **told})

    def end_waiting(self, ending: Ending, now: float) -> list[str]:
        """End the links whose job never came; their names."""
        return self.end_all(ending, now, links.c.state == WAITING, links.c.expires_at <= now)

    def end_overdue(self, ending: Ending, now: float) -> list[str]:
        """End the links whose time is over; their names."""
        return self.end_all(ending, now, links.c.state.in_([STARTING, READY]), links.c.expires_at <= now)

    def end_silent(self, ending: Ending, now: float, silence: float) -> list[str]:
        """End the links whose lease ran out that many seconds ago; their names."""
        return self.end_all(ending, now, links.c.state == READY, links.c.lease_until <= now - silence)

    def watched_jobs(self, cluster: str, now: float, most: int) -> list[str]:
        """The jobs of which only the scheduler can tell: they have not come up yet, fell silent, or ended lately."""
        quiet = or_(links.c.state != READY, links.c.lease_until <= now)
        mine = select(links.c.job_id).where(_live_in(cluster), quiet, links.c.job_id != "")
        over = select(links.c.job_id).where(_doubtful_in(cluster, now)).order_by(links.c.ended_at).limit(most)
        with self.read() as connection:
            oldest_first = mine.group_by(links.c.job_id).order_by(func.min(links.c.job_seen_at)).limit(most)
            listed = [*connection.execute(oldest_first).scalars(), *connection.execute(over).scalars()]
            return list(dict.fromkeys(listed))[:most]

    def doubtful_jobs(self, cluster: str, now: float) -> set[str]:
        """The jobs that told lately how they ended, and may not know it."""
        with self.read() as connection:
            return set(connection.execute(select(links.c.job_id).where(_doubtful_in(cluster, now))).scalars())

    def correct(self, cluster: str, report: JobReport, ending: Ending | None, now: float) -> list[str]:
        """Put the scheduler's word in the place of the job's own, or let that stand; the names of the links.

        The scheduler's word is asked for once. Its job must be the link's owner's: a link may bear any number.
        """
        mine = and_(_doubtful_in(cluster, now), links.c.job_id == report.job_id, links.c.user == report.user)
        told = {"cause": ending.cause.value, "reason": ending.reason} if ending else {}
        statement = update(links).where(mine).values(told_by=SCHEDULER, **told)
        with self.write() as connection:
            return list(connection.execute(statement.returning(links.c.name)).scalars())

    def live_jobs(self, cluster: str) -> dict[str, list[tuple[str, str]]]:
        """Name and user of the cluster's live links, by job."""
        wanted = select(links.c.job_id, links.c.name, links.c.user).where(_live_in(cluster), links.c.job_id != "")
        found: dict[str, list[tuple[str, str]]] = {}
        with self.read() as connection:
            for job_id, name, user in connection.execute(wanted):
                found.setdefault(job_id, []).append((name, user))
        return found

    def report_jobs(
        self, reports: Iterable[JobReport], known: Mapping[str, Sequence[tuple[str, str]]], now: float
    ) -> None:
        """Keep what the scheduler says of the jobs of `live_jobs`, for links that have not ended meanwhile."""
        said: dict[str, dict[str, object]] = {}
        for report in reports:
            values: dict[str, object] = {"job_seen_at": now}
            if report.state != JOB_ENDED or report.cause:
                values |= {"job_state": report.state, "job_reason": report.reason, "job_start": report.start}
            said |= {name: values for name, user in known.get(report.job_id, ()) if report.user in ("", user)}
        with self.write() as connection:
            # In one order, or two proxies with one database could wait for each other.
            for name in sorted(said):
                connection.execute(_of(name, links.c.state != ENDED).values(said[name]))

    def end_job(self, cluster: str, report: JobReport, ending: Ending, now: float) -> list[str]:
        """End the links of a job that has ended, unless the job's own word is still to be expected; their names.

        A job that is merely no longer listed may be one that is not listed yet, or one that the agent may not see:
        it counts as ended only if it was listed before.
        """
        if report.cause:
            silent = and_(links.c.state == READY, links.c.lease_until <= now)
            over = or_(links.c.state.in_([WAITING, STARTING]), silent)
        else:
            over = and_(links.c.state == WAITING, links.c.job_state.not_in(["", JOB_ENDED]))
        owner = [links.c.user == report.user] if report.user else []
        return self.end_all(ending, now, _live_in(cluster), links.c.job_id == report.job_id, *owner, over)

    def end_all(self, ending: Ending, now: float, *conditions: ColumnElement[bool]) -> list[str]:
        """End the links that are so; their names."""
        statement = update(links).where(*conditions).values(statements.ended_values(ending, now))
        with self.write() as connection:
            return list(connection.execute(statement.returning(links.c.name)).scalars())


def _number_of(queue: tuple[str, ...]) -> int:
    # Two that share a number by chance only wait for each other.
    return int.from_bytes(hashlib.sha256("\n".join(queue).encode()).digest()[:8], signed=True)


def _of(name: str, *conditions: ColumnElement[bool]) -> Update:
    return update(links).where(links.c.name == name, *conditions)


def _live_in(cluster: str) -> ColumnElement[bool]:
    # Agents speak of the jobs that they vouched for: anybody may have written any number into one of Satellite's.
    # Links that ended are many more than those that live. The states are named one by one and the cluster is compared
    # as an expression, or SQLite would go through all links that the cluster ever had instead of the live ones.
    return and_(links.c.state.in_([WAITING, STARTING, READY]), links.c.cluster.concat("") == cluster, links.c.api == V1)


def _doubtful_in(cluster: str, now: float) -> ColumnElement[bool]:
    lately = and_(links.c.told_by == JOB, links.c.ended_at > now - DOUBT_SECONDS)
    # As above: the index by teller finds the few.
    mine = and_(links.c.cluster.concat("") == cluster, links.c.api == V1, links.c.job_id != "")
    return and_(lately, links.c.state == ENDED, links.c.cause.in_(DOUBTFUL), mine)


def _owned(owner: Owner) -> ColumnElement[bool]:
    return and_(links.c.cluster == owner.cluster, links.c.user == owner.user)


def _link(row: Row[tuple[object, ...]] | None) -> Link | None:
    return None if row is None else Link(**row._mapping)

"""The statements that every link needs. They are built once: building one takes longer than running it.

Their values are bound by name. `of_name` is the link, `at` its target, `now` the time.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    ScalarSelect,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from lightship_protocol.states import ENDED, READY, STARTING, WAITING
from lightship_registry.core.records import Ending
from lightship_registry.store.database import Database
from lightship_registry.store.schema import links

NOW = bindparam("now", type_=Float)
LEASE = bindparam("lease", type_=Float)
# The columns that a link is made with; the value for `name` is `new_name`, and so on.
GIVEN = (
    *("name", "cluster", "user", "secret_sha256", "seconds", "title", "command", "token_sha256"),
    *("created_at", "expires_at", "api", "subject"),
)


def _for(column: str, value: str) -> ColumnElement[bool]:
    return links.c[column] == bindparam(value, type_=links.c[column].type)


def _change(*conditions: ColumnElement[bool]) -> Update:
    return update(links).where(_for("name", "of_name"), *conditions)


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    owned = and_(_for("cluster", "new_cluster"), _for("user", "new_user"))
    return select(func.count()).select_from(links).where(owned, *conditions).scalar_subquery()


_LIVE = _count(links.c.state != ENDED)
_LATELY = _count(links.c.created_at > bindparam("an_hour_ago", type_=Float))
_ROOM = and_(bindparam("quota", type_=Integer) > _LIVE, bindparam("hourly", type_=Integer) > _LATELY)
_NEW = [bindparam(f"new_{key}", type_=links.c[key].type).label(key) for key in GIVEN]
_OTHER = links.alias()
# Another link has the target, or had it until lately.
_TAKEN = exists().where(
    _OTHER.c.target == bindparam("at", type_=links.c.target.type),
    _OTHER.c.name != bindparam("of_name", type_=links.c.name.type),
    or_(_OTHER.c.state == READY, _OTHER.c.ended_at > bindparam("rested_since", type_=Float)),
)
_ALIVE = and_(links.c.state.in_([STARTING, READY]), links.c.expires_at > NOW)

FIND = select(links).where(_for("name", "of_name"))
GLANCE = select(links.c.state, links.c.token_sha256, links.c.api, links.c.lease_until).where(_for("name", "of_name"))
CREATE = insert(links).from_select(
    [*GIVEN, "state"], select(*_NEW, bindparam("state_of_new", WAITING, links.c.state.type)).where(_ROOM)
)
MADE_LATELY = select(_LATELY)
CLAIM = _change(links.c.state == WAITING, links.c.expires_at > NOW).values(
    state=STARTING,
    certificate_sha256=bindparam("print"),
    expires_at=bindparam("expires"),
    node=bindparam("at_node"),
    partition=bindparam("at_partition"),
    folder=bindparam("at_folder"),
)
# What returns the link saves a query, which costs as much as the change itself.
PUBLISH = (
    _change(or_(links.c.state == STARTING, _for("target", "at")), _ALIVE, ~_TAKEN)
    .values(
        state=READY,
        target=bindparam("at"),
        lease_until=LEASE,
        # A job asks again if the answer was lost: the first time counts.
        ready_at=case((links.c.ready_at == 0, NOW), else_=links.c.ready_at),
    )
    .returning(links)
)
HAD_TARGET = (
    select(links.c.name)
    .where(_for("target", "at"), links.c.name != bindparam("of_name", type_=links.c.name.type))
    .limit(1)
)
RENEW = _change(_ALIVE).values(lease_until=LEASE).returning(links)
END = (
    _change(links.c.state != ENDED)
    .values(
        state=ENDED,
        cause=bindparam("why"),
        reason=bindparam("sentence"),
        tail=bindparam("last_lines"),
        told_by=bindparam("teller"),
        ended_at=NOW,
    )
    .returning(links)
)


def ended_values(ending: Ending, now: float) -> dict[str, object]:
    """The columns that an end changes."""
    told = {"cause": ending.cause.value, "reason": ending.reason, "tail": ending.tail, "told_by": ending.told_by}
    return {"state": ENDED, **told, "ended_at": now}


def end_all(database: Database, ending: Ending, now: float, *conditions: ColumnElement[bool]) -> list[str]:
    """End all links that meet the conditions; their names."""
    statement = update(links).where(*conditions).values(ended_values(ending, now))
    with database.write() as connection:
        return list(connection.execute(statement.returning(links.c.name)).scalars())

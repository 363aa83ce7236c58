"""Checks whether a queue of PBS or Torque takes a job: its limits, and its lists of users, groups and hosts.

The lists are read as in OpenPBS's src/lib/Libattr/attr_fn_acl.c.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable, Mapping

from lightship_cluster.config.values import humanized_size
from lightship_cluster.core.durations import humanized
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import counted, quoted
from lightship_cluster.schedulers import pbs_values
from lightship_cluster.schedulers.base import Resources
from lightship_cluster.schedulers.pbs_values import Record

# An attribute that was never set is not printed; it means False.
_CLOSED = (("enabled", "takes no jobs just now"), ("started", "takes jobs but starts none just now"))
_ELSEWHERE = "Choose another with -p"


def check(queues: Mapping[str, Record], wanted: Resources) -> None:
    """Refuse a queue that does not exist, is closed, or is too small; name the queues that fit."""
    name = wanted.partition
    if name not in queues:
        there = ", ".join(sorted(other for other, queue in queues.items() if _takes_jobs(queue)))
        raise _refused(f"There is no queue {quoted(name)}. This cluster has: {there}. Choose one with -p.")
    misfit = _misfit(queues, name, wanted)
    if misfit:
        fits = sorted(other for other in queues if _fits(queues, other, wanted))
        elsewhere = f" It would fit in: {', '.join(fits)} (choose with -p)." if fits else ""
        raise _refused(f"{misfit}{elsewhere}")


def check_reservation(queues: Mapping[str, Record], wanted: Resources) -> None:
    """Refuse a reservation that does not exist, is not open to the user, or is too small."""
    name = pbs_values.queue_of(wanted.reservation)
    if name not in queues:
        raise _refused(
            f"There is no reservation {quoted(wanted.reservation)}, or it is not confirmed yet. Yours are listed by "
            "pbs_rstat."
        )
    # Its queue is not started before the reservation begins; jobs wait for that.
    queue, where = queues[name], f"The reservation {name}"
    misfit = f"{where} is not open to you." if closed_to_user(queue) else _too_much(where, queue, wanted)
    if misfit:
        raise _refused(misfit)


def _fits(queues: Mapping[str, Record], name: str, wanted: Resources) -> bool:
    return not _misfit(queues, name, wanted) and open_to_host(queues[name])


def _misfit(queues: Mapping[str, Record], name: str, wanted: Resources) -> str:
    queue, where = queues[name], f"The queue {name}"
    for attribute, words in _CLOSED:
        if queue.get(attribute) != "True":
            return f"{where} {words}. {_ELSEWHERE}, or try again later."
    if queue.get("from_route_only") == "True":
        return f"{where} takes jobs from other queues alone. {_ELSEWHERE}."
    return _denied(where, queue) or _too_much(where, queue, wanted) or _routed(queues, queue, where, wanted)


def _routed(queues: Mapping[str, Record], queue: Record, where: str, wanted: Resources) -> str:
    """The misfit of a routing queue, none of whose destinations takes the job."""
    if queue.get("queue_type") != "Route":
        return ""
    further = [name.strip() for name in queue.get("route_destinations", "").split(",") if name.strip()]
    misfits = []
    for name in further:
        there = queues.get(name)
        # Queues of other servers, and further routing queues, are not checked.
        if there is None or there.get("queue_type") == "Route":
            return ""
        misfits.append(_closed(there) or _denied("", there) or _too_much("", there, wanted))
    if not all(misfits):
        return ""
    return f"{where} hands jobs on to {', '.join(further) or 'no queue'}, where this one does not fit. {_ELSEWHERE}."


def _takes_jobs(queue: Record) -> bool:
    return queue.get("enabled") == "True" and queue.get("from_route_only") != "True" and not closed_to_user(queue)


def _closed(queue: Record) -> str:
    return next((words for attribute, words in _CLOSED if queue.get(attribute) != "True"), "")


def _denied(where: str, queue: Record) -> str:
    return f"{where} is not open to you. {_ELSEWHERE}." if closed_to_user(queue) else ""


def _too_much(where: str, queue: Record, wanted: Resources) -> str:
    return _beyond_time(where, queue, wanted) or _beyond_size(where, queue, wanted)


def _beyond_time(where: str, queue: Record, wanted: Resources) -> str:
    asked = wanted.minutes * 60
    most, least = (pbs_values.seconds_of(queue.get(f"resources_{kind}.walltime", "")) for kind in ("max", "min"))
    told = f"and you asked for {humanized(asked)}"
    if 0 <= most < asked:
        return f"{where} gives {humanized(most)} at most, {told}. Give less with -t."
    if least > asked:
        return f"{where} takes jobs of {humanized(least)} and more, {told}. Give more with -t."
    return ""


def _beyond_size(where: str, queue: Record, wanted: Resources) -> str:
    nodes = max(1, wanted.nodes)
    for name, noun, asked in (
        ("nodect", "node", nodes),
        ("ncpus", "core", wanted.cores * nodes),
        ("ngpus", "GPU", int(wanted.gpus or 0) * nodes if wanted.gpus.isdigit() else 0),
    ):
        most, least = (_number(queue.get(f"resources_{kind}.{name}", "")) for kind in ("max", "min"))
        if 0 <= most < asked:
            return f"{where} gives {counted(most, noun)} to a job at most. Ask for fewer."
        if asked and least > asked:
            return f"{where} is for jobs of {counted(least, noun)} and more. Ask for more."
    asked = wanted.memory * nodes
    most, least = (pbs_values.mebibytes_of(queue.get(f"resources_{kind}.mem", "")) for kind in ("max", "min"))
    if 0 <= most < asked:
        return f"{where} gives {humanized_size(most)} of memory to a job at most. Ask for less."
    if asked and least > asked:
        return f"{where} is for jobs of {humanized_size(least)} of memory and more. Ask for more."
    return ""


def _number(text: str) -> int:
    return int(text) if text.isdigit() else -1


def _refused(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.PARTITION)


def closed_to_user(queue: Record) -> bool:
    """Whether the queue takes no jobs of the user of this process."""
    user, groups = _me()
    # The server may know this host by another name, so an entry of the user counts with any host.
    listed = _allows(queue, "user", "acl_users", lambda entry: entry.partition("@")[0] == user)
    return not (listed and _allows(queue, "group", "acl_groups", groups.__contains__))


def open_to_host(queue: Record) -> bool:
    """Whether the queue takes jobs from this host, by the host's own names."""
    names = {name.casefold() for name in (socket.gethostname(), socket.getfqdn())}
    return _allows(queue, "host", "acl_hosts", lambda entry: any(_is_host(name, entry.casefold()) for name in names))


def _allows(queue: Record, kind: str, attribute: str, fits: Callable[[str], bool]) -> bool:
    if queue.get(f"acl_{kind}_enable") != "True":
        return True
    # Users without an entry are refused; a + or - alone is the rule for them.
    otherwise = False
    for entry in filter(None, map(str.strip, queue.get(attribute, "").split(","))):
        sign, name = (entry[0], entry[1:]) if entry[0] in "+-" else ("+", entry)
        if not name:
            otherwise = sign == "+"
        elif fits(name):
            return sign == "+"
    return otherwise


def _is_host(name: str, entry: str) -> bool:
    return name.endswith(entry[1:]) if entry.startswith("*") else name == entry


def _me() -> tuple[str, set[str]]:
    try:
        me = pwd.getpwuid(os.geteuid())
    except KeyError:
        return "", set()
    numbers = os.getgrouplist(me.pw_name, me.pw_gid)
    return me.pw_name, {_group(number) for number in numbers}


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""

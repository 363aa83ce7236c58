"""Whom the queues of PBS and Torque let in: their lists of users, groups and hosts.

They are read as in OpenPBS's src/lib/Libattr/attr_fn_acl.c.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable

from lightship_cluster.schedulers.pbs_values import Record


def closed_to_user(queue: Record) -> bool:
    """Whether the queue takes no jobs of whoever runs this program."""
    user, groups = _me()
    # The server knows a host by a name that may be another here: a user from whatever host is let pass.
    listed = _allows(queue, "user", "acl_users", lambda entry: entry.partition("@")[0] == user)
    return not (listed and _allows(queue, "group", "acl_groups", groups.__contains__))


def open_to_host(queue: Record) -> bool:
    """Whether the queue takes jobs from this host, by the names that it has for itself."""
    names = {name.casefold() for name in (socket.gethostname(), socket.getfqdn())}
    return _allows(queue, "host", "acl_hosts", lambda entry: any(_is_host(name, entry.casefold()) for name in names))


def _allows(queue: Record, kind: str, attribute: str, fits: Callable[[str], bool]) -> bool:
    if queue.get(f"acl_{kind}_enable") != "True":
        return True
    # Whoever stands in no list is not let in; a + or - alone says so of the others.
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

"""The settings about tunnels: who may open them, and where they may listen."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lightship_protocol.forms import USER
from lightship_registry.core.errors import bad_settings
from lightship_registry.core.records import Owner

# A listen address. Other characters could end the quoted option of an authorized_keys line.
LISTEN_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\*|\[[0-9a-fA-F:]+\]):([0-9]{1,5})")
DESTINATION = re.compile(r"[a-z][a-z0-9_-]{0,31}@[A-Za-z0-9.-]{1,200}")

ListenAddresses = Mapping[Owner, tuple[str, ...]]


def read_tunnels(value: object, clusters: Collection[str]) -> ListenAddresses:
    """Each owner's listen addresses, in the order of the file; each error names the entry."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise bad_settings("tunnels must be a list of tables [[tunnels]] with cluster, user and listen.")
    addresses: dict[Owner, tuple[str, ...]] = {}
    for entry in value:
        owner, listen = _entry(entry, clusters)
        addresses[owner] = tuple(dict.fromkeys((*addresses.get(owner, ()), *listen)))
    return addresses


def read_destination(value: object) -> str:
    """The account that users' ssh logs in to; empty if the centre has none."""
    if value != "" and not (isinstance(value, str) and DESTINATION.fullmatch(value)):
        raise bad_settings(f'tunnel_destination must be "" or USER@HOST, not {value!r}.')
    return str(value)


def _entry(entry: dict[str, object], clusters: Collection[str]) -> tuple[Owner, list[str]]:
    if set(entry) != {"cluster", "user", "listen"}:
        raise bad_settings(f"[[tunnels]] must have cluster, user and listen, and nothing else: {entry}.")
    cluster, user, listen = entry["cluster"], entry["user"], entry["listen"]
    if not isinstance(cluster, str) or cluster not in clusters:
        raise bad_settings(f"[[tunnels]] names the cluster {cluster!r}, of which there is no table [clusters.NAME].")
    if not isinstance(user, str) or not USER.fullmatch(user):
        raise bad_settings(f"[[tunnels]] has the user {user!r}, which is no name of a Unix user.")
    if not isinstance(listen, list) or not listen or not all(map(_is_listen_address, listen)):
        raise bad_settings(f'[[tunnels]] of {user}: listen must be a list such as ["localhost:8888"], not {listen!r}.')
    return Owner(cluster, user), listen


def _is_listen_address(value: object) -> bool:
    found = LISTEN_ADDRESS.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 1 <= int(found[1]) <= 65535

"""Filters that say what is wrong, or odd, with a site as a whole: between hosts, and between roles."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Wanted: TypeAlias = Mapping[str, Any]

ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - addresses to compare, none to listen on
# systemd-resolved's own, beside which a name server can run.
STUBS = frozenset({"127.0.0.53", "127.0.0.54"})


def port_faults(seen: Mapping[str, Any], wanted: Iterable[Wanted]) -> list[str]:
    """Return a sentence for each port that two of ours want, or that a service which is not ours holds.

    `seen` is what look_at_proxy.py tells. Each wanted port has `name` `port` `kind` `address` `units`, and what to do
    instead.
    """
    ports = [one for one in wanted if int(one["port"])]
    return [*_twice(ports), *dict.fromkeys(fault for one in ports for fault in _held(one, seen))]


def _twice(ports: list[Wanted]) -> Iterator[str]:
    for at, one in enumerate(ports):
        for other in ports[at + 1 :]:
            if (int(one["port"]), one["kind"]) == (int(other["port"]), other["kind"]):
                yield f"{one['name']} and {other['name']} are both {one['port']}. Set them to different ports."


def _held(one: Wanted, seen: Mapping[str, Any]) -> Iterator[str]:
    for other in seen["listeners"]:
        same = (other["kind"], other["port"]) == (one["kind"], int(one["port"]))
        if (
            same
            and _meet(str(one["address"]), str(other["address"]))
            and not _ours(other, one["units"], seen["active"])
        ):
            holder = other["process"] or "another program"
            unit = f" ({other['unit']})" if other["unit"] else ""
            yield (
                f"{one['name']} is {one['port']}, where {holder}{unit} of this host listens already. "
                f"{one['instead']}, or take {holder} off that port."
            )


def _ours(other: Mapping[str, Any], units: list[str], active: list[str]) -> bool:
    if not other["process"] and not other["unit"]:
        # A container's root may not see whose it is: ours, where ours runs.
        return bool({*units} & {*active})
    # Where the kernel names no unit, the program's name must do.
    return (other["unit"] or f"{other['process']}.service") in units


def _meet(ours: str, theirs: str) -> bool:
    return theirs not in STUBS and (ours == theirs or ours in ANY or theirs in ANY)


def not_of_this_host(wanted: str | list[str], own: Iterable[str]) -> list[str]:
    """Return the addresses that the host does not have."""
    known = {ipaddress.ip_address(address) for address in own}
    given = [wanted] if isinstance(wanted, str) else wanted
    return [text for text in given if _address(text) and _address(text) not in known]


def network_warnings(clusters: Mapping[str, Any], hosts: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a sentence for each of our hosts that lies in a cluster's compute networks."""
    return [
        f"The network {text} of cluster {cluster} holds {host} ({address}). Whatever users start there could become a "
        "notebook's address; take it out of cluster_tools_compute_networks if no notebook runs there."
        for cluster, known in clusters.items()
        for text in known["networks"]
        for host, addresses in hosts.items()
        for address in addresses
        if ipaddress.ip_address(address) in ipaddress.ip_network(text, strict=False)
    ]


def delegation(domain: str, name_servers: Iterable[str], addresses: str | list[str]) -> str:
    """Return the records that a parent zone must have for the domain."""
    servers = list(name_servers)
    given = [addresses] if isinstance(addresses, str) else addresses
    glue = [(name, address) for name in servers if name.endswith(f".{domain}") for address in given]
    lines = [f'"{domain}. NS {name}."' for name in servers]
    lines += [f'"{name}. {"AAAA" if ":" in address else "A"} {address}"' for name, address in glue]
    return ", ".join(lines)


def _address(text: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None  # dns_zone says so


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {
            "port_faults": port_faults,
            "not_of_this_host": not_of_this_host,
            "network_warnings": network_warnings,
            "delegation": delegation,
        }

"""A filter that says what is wrong with the networks of the clusters."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Iterator, Mapping

# An address of IPv4 in the form of one of IPv6: the kernel tells of such connections as IPv4.
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
VARIABLES = {"networks": "cluster_tools_compute_networks", "satellite_networks": "cluster_tools_satellite_networks"}


def network_faults(clusters: Mapping[str, object]) -> list[str]:
    """Return a sentence for each network that no notebook of that cluster can listen in, or that is two clusters'."""
    faults = [fault for name, cluster in clusters.items() for fault in faults_of(name, cluster)]
    # What is no network cannot be compared.
    return faults or [*overlaps(clusters, "networks"), *overlaps(clusters, "satellite_networks")]


def overlaps(clusters: Mapping[str, object], key: str) -> Iterator[str]:
    """Yield a sentence for each two networks of different clusters that share addresses."""
    variable = VARIABLES[key]
    read = [
        (name, ipaddress.ip_network(text))
        for name, cluster in clusters.items()
        if isinstance(cluster, Mapping)
        for text in cluster.get(key, [])
    ]
    for (one, a), (other, b) in itertools.combinations(read, 2):
        if one != other and a.version == b.version and a.overlaps(b):
            what = f"{a}" if a == b else f"{a} and {b}"
            yield (
                f"{variable} of the clusters {one} and {other} overlap: {what}. An address is of one cluster: give "
                "each the networks of its own nodes, or the same cluster_tools_cluster where they share them."
            )


def faults_of(name: str, cluster: object) -> Iterator[str]:
    """Yield what is wrong with the networks of one cluster."""
    known = cluster if isinstance(cluster, Mapping) else {}
    where = f"cluster_tools_compute_networks of cluster {name}"
    networks = known.get("networks")
    if not isinstance(networks, list) or not networks:
        yield f'{where} must be a list with at least one network; set it as ["10.1.0.0/16"].'
        return
    yield from faults_in(where, networks)
    where = f"cluster_tools_notebook_networks of cluster {name}"
    preferred = known.get("notebook_networks", [])
    if not isinstance(preferred, list):
        yield f'{where} must be a list, empty or as ["10.1.0.0/16"].'
        return
    yield from faults_in(where, preferred)
    for text in preferred:
        if not fault_of(str(text)) and not _is_within(str(text), networks):
            yield f'{where} has "{text}", which lies outside its cluster_tools_compute_networks. Add it there too.'
    where = f"cluster_tools_satellite_networks of cluster {name}"
    clients = known.get("satellite_networks", [])
    if not isinstance(clients, list):
        yield f'{where} must be a list, empty or as ["10.1.0.0/16", "10.0.0.0/28"].'
        return
    yield from faults_in(where, clients)


def faults_in(where: str, networks: list[object]) -> Iterator[str]:
    """Yield a sentence for each network of a list that is none of a cluster's."""
    for text in networks:
        fault = fault_of(str(text))
        if fault:
            yield f'{where} has "{text}", {fault}'


def _is_within(text: str, networks: list[object]) -> bool:
    inner = ipaddress.ip_network(text)
    outer = [ipaddress.ip_network(str(network)) for network in networks if not fault_of(str(network))]
    return any(
        network.version == inner.version
        and network.network_address <= inner.network_address
        and inner.broadcast_address <= network.broadcast_address
        for network in outer
    )


def fault_of(text: str) -> str:
    """Return what is wrong with one network, or nothing."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "which is no network. Write an address and a prefix length, e.g. 10.1.0.0/16."
    if isinstance(network, ipaddress.IPv6Network) and network.overlaps(MAPPED) and network.prefixlen:
        return f"which is IPv4 in the form of IPv6, where no connection comes from. Write {plain(network)}."
    if str(network) != text:
        return f"which is not how that network is written. Write {network}."
    if network.prefixlen == 0:
        return "which is the whole Internet. Write the networks of the cluster's nodes only."
    if network.is_loopback or network.is_link_local or network.is_multicast:
        return "where no compute node can be reached. Write the networks of the cluster's nodes."
    return ""


def plain(network: ipaddress.IPv6Network) -> str:
    """Return the network of IPv4 that is meant."""
    if not network.subnet_of(MAPPED):
        return "the cluster's own networks, such as 10.1.0.0/16"
    first = int(network.network_address) & 0xFFFFFFFF
    return str(ipaddress.ip_network((first, network.prefixlen - MAPPED.prefixlen)))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"network_faults": network_faults}

"""A filter that says what is wrong with the compute networks of the clusters."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping


def network_faults(clusters: Mapping[str, object]) -> list[str]:
    """Return a sentence for each network that no notebook of that cluster can listen in."""
    return [fault for name, cluster in clusters.items() for fault in faults_of(name, cluster)]


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
    where = f"cluster_tools_ancestor_networks of cluster {name}"
    clients = known.get("ancestor_networks", [])
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
    if str(network) != text:
        return f"which is not how that network is written. Write {network}."
    if network.prefixlen == 0:
        return "which is the whole Internet. Write the networks of the cluster's nodes only."
    if network.is_loopback or network.is_link_local or network.is_multicast:
        return "where no compute node can be reached. Write the networks of the cluster's nodes."
    return ""


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"network_faults": network_faults}

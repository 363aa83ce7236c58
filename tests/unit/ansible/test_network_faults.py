"""What the networks of a cluster may be, before anything is deployed with them."""

from __future__ import annotations

from typing import Any

import pytest

from unit.ansible.plugins import load

plugin = load("roles/link_registry/filter_plugins/network_faults.py")


def faults(**cluster: Any) -> list[str]:
    found: list[str] = plugin.network_faults({"demo": cluster})
    return found


@pytest.mark.parametrize("preferred", [[], ["10.2.0.0/16"], ["10.2.8.0/24", "fd00:2::/64"]])
def test_notebooks_may_listen_in_a_part_of_the_compute_networks(preferred: list[str]) -> None:
    assert faults(networks=["10.2.0.0/16", "fd00::/16"], notebook_networks=preferred) == []


@pytest.mark.parametrize(
    ("preferred", "words"),
    [
        ("10.2.0.0/16", "must be a list"),
        (["10.3.0.0/16"], 'has "10.3.0.0/16", which lies outside its cluster_tools_compute_networks'),
        (["10.0.0.0/8"], "which lies outside"),
        (["fd00::/64"], "which lies outside"),
        (["10.2.0.1/16"], "Write 10.2.0.0/16."),
        (["nonsense"], "which is no network"),
    ],
)
def test_notebooks_may_listen_nowhere_else(preferred: object, words: str) -> None:
    (fault,) = faults(networks=["10.2.0.0/16"], notebook_networks=preferred)
    assert fault.startswith("cluster_tools_notebook_networks of cluster demo")
    assert words in fault


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.89.77.31/24", "Write 10.89.77.0/24."),
        ("10.1.0.0/33", "which is no network"),
        ("0.0.0.0/0", "which is the whole Internet"),
        ("127.0.0.0/8", "where no compute node can be reached"),
    ],
)
def test_compute_nodes_have_a_network_of_their_own(network: str, words: str) -> None:
    (fault,) = faults(networks=[network], notebook_networks=[])
    assert fault.startswith("cluster_tools_compute_networks of cluster demo")
    assert words in fault
